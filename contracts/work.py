"""What the coordinator asks of workspaces, checks and integration."""

from datetime import datetime

from pydantic import Field

from contracts.base import ArtifactRef, Contract, Digest
from contracts.delivery import ChangeCounts, ChangeSet, ChangeSubject, CheckRun, FileChange, TestReport
from contracts.gates import Intent
from contracts.runs import Request
from contracts.steps import WorkspaceUse
from contracts.workspace import WorkspaceRef


class PrepareRepository(Request, name="prepare_repository/1"):
    """Fetch a repository and fix what the run starts from."""

    repository: str
    base: str | None
    check: str | None


class Base(Contract, name="base/1"):
    """What a run starts from. `check` is the declared one, else what was detected, else None."""

    repository: str
    commit: str
    tree: str
    branch: str = ""
    committed_at: datetime
    check: str | None
    check_source: str = Field(default="", description="declared, or what it was detected from")


class CollectChanges(Request, name="collect_changes/1"):
    """Read from the workspace what a step really changed."""

    workspace: WorkspaceUse
    item: str
    summary: str
    allowed: tuple[str, ...] = Field(description="files the step may write; patterns with * are allowed")
    never: tuple[str, ...] = Field(default=(), description="patterns of files it may not write, whatever `allowed` says")
    drop_outside: bool = Field(default=False, description="leave files outside `allowed` out of the patch, and name them")


class Shown(Contract, name="shown/1"):
    """A change as an agent sees it: its files, and its diff cut where it is long."""

    files: tuple[FileChange, ...]
    diff: str


class Integrate(Request, name="integrate/1"):
    """Put the patches of several items together, in order, on one start."""

    start: WorkspaceRef
    changes: tuple[ChangeSet, ...]


class Integrated(Contract, name="integrated/1"):
    """All items on one tree, or the files where that failed (`conflict_item` is the item that did not fit)."""

    tree: str = ""
    patch: ArtifactRef | None = None
    conflicts: tuple[str, ...] = ()
    conflict_item: str = ""


class RunChecks(Request, name="run_checks/1"):
    """Run a check on a tree, in the sandbox, on a throw-away copy."""

    start: WorkspaceRef
    command: str
    environment: str | None = None
    timeout_s: int = 1800
    label: str = "check"


class Judge(Request, name="judge/1"):
    """Compare runs on the change with the run on the base."""

    runs: tuple[CheckRun, ...]
    base: CheckRun | None
    added: ChangeSet | None
    tester_notes: str = ""


class Judged(Contract, name="judged/1"):
    """The report, and the artifact it is stored as."""

    report: TestReport
    artifact: Digest


class Freeze(Request, name="freeze/1"):
    """Freeze what the change gate shows and what the push executes."""

    start: WorkspaceRef
    base: Base
    instruction: str
    summary: str
    branch: str | None
    judged: Judged


class Frozen(Contract, name="frozen/1"):
    """The subject of the change gate, the action that its approval allows, and the whole change."""

    subject: ChangeSubject
    intent: Intent
    files: tuple[FileChange, ...]
    counts: ChangeCounts | None = Field(default=None, description="None: every file is named above")


class DropWorkspaces(Request, name="drop_workspaces/1"):
    """Remove the workspaces of a run that has ended."""
