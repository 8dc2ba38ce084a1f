"""A repository as a run sees it: its base, workspaces, changes of a step, and runs of a check."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import ArtifactRef, Contract, Digest, Grown, is_empty
from contracts.detection import Detected
from contracts.runs import Request
from contracts.step_resources import Access

RiskKind = Literal["runs_itself", "secret", "installed", "generated"]
"""Why a change of a path means more than its lines say: see `contracts/risky_paths.py`."""


class WorkspaceRef(Contract, name="workspace_ref/1"):
    """A folder of files: the base of a repository with patches applied to it, in order."""

    repository: str
    base: str = Field(description="commit or tree id")
    patches: tuple[Digest, ...] = Field(default=(), description="artifacts with patches, applied in order")


class Workspace(Contract):
    """A workspace as one step sees it: its name, its start, and the state that its edits have reached."""

    name: str
    ref: WorkspaceRef
    state: Digest | None = Field(default=None, description="patch from the start to now; None: nothing changed yet")
    check: str | None = None
    environment: str | None = None
    access: Access = Field(default="read", description="write: the step's tools may change its files")


class PrepareRepository(Request, name="prepare_repository/1"):
    """Fetch a repository and pin what the run starts from."""

    repository: str
    base: str | None
    check: str | None
    branch: str | None = Field(default=None, description="branch that is going to be pushed; None: one that is free")
    checks_later: bool = Field(default=False, description="the base's check is run next, which tells whether it can be run")


class Base(Contract, name="base/1", brief=True):
    """What a run starts from. `check` is the declared command, else a detected one, else None."""

    repository: str
    commit: str
    tree: str
    branch: str = ""
    committed_at: datetime
    check: str | None
    check_source: str = Field(default="", description="declared, or what it was detected from")
    notes: tuple[str, ...] = Field(default=(), description="what to know about it: uncommitted work, a branch that is there")
    detected: Detected | None = Field(default=None, description="what its files say of its tests; None: nobody looked")


class PrepareEnvironment(Request, name="prepare_environment/1"):
    """List what a tree declares that its tests need, or install exactly that list."""

    repository: str
    base: str
    approved: str = Field(default="", description="digest of the list that a person has seen and wants; empty: list only")


class Prepared(Contract, name="prepared/1", brief=True):
    """What a repository declares, and the environment that was made of it."""

    digest: str = Field(default="", description="of the whole list; empty: nothing is declared")
    lines: tuple[str, ...] = Field(default=(), description="the list as a person reads it")
    folder: str = Field(default="", description="the environment; empty: none was made")
    problem: str = Field(default="", description="why there is none although it was wanted")


class FileChange(Contract):
    """One changed file, as git counts it. None as a count: not text."""

    path: str
    status: Literal["added", "modified", "deleted", "type"]
    added: int | None
    removed: int | None


class Risky(Contract):
    """The first changed files of one kind that means more than its lines say."""

    kind: RiskKind
    paths: tuple[str, ...]


class ChangeCounts(Contract):
    """How much a change is in all, where not every file of it is named."""

    files: int
    outside: int = Field(default=0, description="files that the item did not name")
    added: int = Field(default=0, description="lines")
    removed: int = Field(default=0, description="lines")
    binary: int = Field(default=0, description="files that are not text")
    risks: tuple[Risky, ...] = Field(default=(), description="files whose change means more than its lines say")
    listing: Digest = Field(description="artifact with every changed file, as JSON")


class ChangeSet(Grown, name="change_set/1", brief=True):
    """What a step really changed, computed from the workspace."""

    later = ("counts",)

    item: str
    summary: str
    files: tuple[FileChange, ...] = ()
    outside: tuple[str, ...] = Field(default=(), description="changed files that the item did not name")
    counts: ChangeCounts | None = Field(default=None, description="None: every file is named above")
    start_tree: str
    tree: str
    patch: ArtifactRef | None = Field(default=None, description="from start_tree to tree; None: nothing changed")


ANY_FILE = "*"
"""In place of names: the step may write any file, and a person sees the whole change. Planners may not use it."""


class CollectChanges(Request, name="collect_changes/1"):
    """Read from the workspace what a step really changed."""

    workspace: Workspace
    item: str
    summary: str
    allowed: tuple[str, ...] = Field(description="files, folders and globs that the step may write; `*` alone: any file")
    never: tuple[str, ...] = Field(default=(), description="files, folders and globs it may not, whatever `allowed` says")
    drop_outside: bool = Field(default=False, description="leave files outside `allowed` out of the patch, and name them")
    made_by: tuple[str, ...] = Field(
        default=(), exclude_if=is_empty, description="the handoffs of the step that made the change"
    )


class Shown(Contract, name="shown/1", brief=True):
    """A change as an agent sees it: its files, and its diff cut where it is long."""

    files: tuple[FileChange, ...]
    diff: str


class MatchFiles(Request, name="match_files/1"):
    """Ask which files of a tree some globs and folders match now."""

    start: WorkspaceRef
    patterns: tuple[str, ...]


class MatchedFiles(Contract, name="matched_files/1", brief=True):
    """The files that each pattern matches now: how many, and the first few."""

    counts: dict[str, int]
    first: dict[str, tuple[str, ...]]


class Integrate(Request, name="integrate/1"):
    """Apply the patches of several items, in order, to one start."""

    start: WorkspaceRef
    changes: tuple[ChangeSet, ...]


class Integrated(Contract, name="integrated/1", brief=True):
    """All items on one tree, or the files in conflict (`conflict_item` is the item that did not apply)."""

    tree: str = ""
    patch: ArtifactRef | None = None
    conflicts: tuple[str, ...] = ()
    conflict_item: str = ""


class RunChecks(Request, name="run_checks/1"):
    """Run a check on a throw-away copy of a tree, in the sandbox."""

    start: WorkspaceRef
    command: str
    environment: str | None = None
    timeout_s: int = Field(default=1800, description="not used any more: the setting `checks.time` of the worker counts")
    label: str = "check"
    tell_refusal: bool = Field(default=False, description="that the check cannot be run here is a result, and no failure")


class CheckRun(Grown, name="check_run/1", brief=True):
    """One run of a check in the sandbox."""

    later = ("unnamed", "refused", "reasons", "stopped_early", "report", "outcomes", "stopped")

    command: str
    tree: str
    exit_code: int | None = Field(description="None: it was stopped")
    timed_out: bool = False
    stopped: str = Field(default="", description="why it was stopped, or what of it the kernel ended at the limit of memory")
    total: int | None = Field(default=None, description="number of tests; None: the check does not report single tests")
    failures: tuple[str, ...] = Field(default=(), description="ids of failed tests; at most 200")
    unnamed: int = Field(default=0, description="failed tests that are not named, because there are so many")
    reasons: tuple[str, ...] = Field(default=(), description="for each failed test why, as digests: each time that it failed")
    stopped_early: bool = Field(default=False, description="it says that it stopped before all tests ran")
    report: str = Field(default="", description="why single tests are not known, where they should be; empty: they are")
    outcomes: Digest | None = Field(default=None, description="artifact with how each test ended, as JSON; None: not known")
    output: ArtifactRef
    tail: str = Field(default="", description="the end of the output, made safe to show")
    seconds: int = 0
    refused: str = Field(default="", description="why nothing was run: no sandbox, or no such environment")

    @property
    def green(self) -> bool:
        """True if the command exited with 0, nothing of it was stopped and, where it counts tests, some ran and none failed."""
        # A runner that found no tests proves nothing, and some of them end with 0.
        return self.exit_code == 0 and not self.timed_out and not self.stopped and self.total != 0 and not self.failures


class CompareRevisions(Request, name="compare_revisions/1"):
    """Compare a base (None: the main branch) with a head, or with itself plus a patch. Exactly one of the two is given."""

    repository: str
    base: str | None
    head: str | None
    patch: str | None = Field(description="text of a unified diff")


class FileGroup(Contract):
    """Files of a large difference that are reviewed together, with their own part of it."""

    name: str
    paths: tuple[str, ...]
    patch: ArtifactRef


class DescribeGroup(Request, name="describe_group/1"):
    """Ask for a group's part of a difference as an agent sees it."""

    compared: "Compared"
    group: FileGroup


class Compared(Contract, name="compared/1", brief=True):
    """What differs between two revisions, and the workspace of the newer one."""

    repository: str
    base: str = Field(description="commit that the difference starts from: the merge base where there is one")
    head: str = Field(default="", description="commit; empty: the base with a patch")
    files: tuple[FileChange, ...]
    counts: ChangeCounts | None = Field(default=None, description="None: every file is named above")
    patch: ArtifactRef = Field(description="the whole difference")
    shown: str = Field(description="the difference, cut where it is long")
    ref: WorkspaceRef = Field(description="the files at the head")
    note: str = Field(default="", description="what to know about how it was compared")
    groups: tuple[FileGroup, ...] = Field(
        default=(), exclude_if=is_empty, description="its files in groups, where it is too large for one; empty: it is not"
    )
    not_grouped: tuple[str, ...] = Field(
        default=(), exclude_if=is_empty, description="files of a large difference that no group has room for"
    )


class DropWorkspaces(Request, name="drop_workspaces/1"):
    """Remove the workspaces of a run that has ended."""
