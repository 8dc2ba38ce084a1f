"""Delivery's contracts: from an instruction to a pushed change."""

from typing import Literal

from pydantic import Field

from contracts.actions import Receipt
from contracts.base import ArtifactRef, Command, Contract, Digest, Grown, Line
from contracts.gates import GateView
from contracts.handoff import Question
from contracts.plan import WorkItem
from contracts.runs import RunState
from contracts.steps import ChildInput, PipelineInput
from contracts.workspace import WorkspaceRef

Verdict = Literal["passed", "no_new_failures", "failed", "not_run"]
"""Computed from runs, never taken from a model. no_new_failures: only what failed on the base still fails."""


Effort = Literal["full", "auto"]


class DeliveryInput(PipelineInput, name="delivery_input/1"):
    """What a delivery is asked to do."""

    repository: Line = Field(min_length=1, max_length=1000, description="path or URL of a git repository")
    instruction: str = Field(min_length=1, max_length=20_000, description="what should change, in plain words")
    base: Line | None = Field(default=None, max_length=200, description="branch, tag or commit; None: the default branch")
    check: Command | None = Field(
        default=None, max_length=1000, description="command that must pass; None or blank: detected, or asked"
    )
    environment: Line | None = Field(default=None, max_length=1000, description="prepared interpreter folder for checks")
    branch: Line | None = Field(
        default=None, max_length=200, description="branch to push; None: made from instruction and tree"
    )
    effort: Effort | None = Field(
        default=None, description="auto: a router may skip what the task does not need; None: policy's default, which is full"
    )
    rework: int = Field(default=2, ge=0, le=10, description="rounds after failed tests before a person is asked")


class Feedback(Contract):
    """What a person or a check asked to be different."""

    source: str = Field(description="who or what says so")
    about: str = Field(description="the gate, item or check it is about")
    text: str


class Clarified(Contract):
    """A question with the answer that a person gave."""

    question: str
    answer: str
    by: str


class PlanTask(Contract, name="plan_task/1"):
    """What the planner is given."""

    instruction: str
    repository: str
    base: str
    check: str | None = Field(default=None, description="the check that was declared or detected")
    feedback: tuple[Feedback, ...] = ()
    answers: tuple[Clarified, ...] = ()


class WriteTask(Contract, name="write_task/1"):
    """What a writer is given: one item, and what was wrong with an earlier try."""

    item: WorkItem
    instruction: str
    plan_summary: str
    feedback: tuple[Feedback, ...] = ()
    answers: tuple[Clarified, ...] = ()


class WriteSummary(Contract, name="write_summary/1"):
    """What a writer says it did. What it really did is read from the workspace."""

    summary: str = Field(min_length=1, max_length=4000)
    how_it_meets: tuple[str, ...] = Field(max_length=20, description="one line for each acceptance criterion")


class FileChange(Contract):
    """One changed file, as git counts it. None as a count: not text."""

    path: str
    status: Literal["added", "modified", "deleted", "type"]
    added: int | None
    removed: int | None

    @property
    def runs_itself(self) -> bool:
        """True for files that tools run or read without being asked, agents among them."""
        return any(mark in self.path for mark in SENSITIVE)


SENSITIVE = (".github/", ".gitlab-ci", ".ci/", "Makefile", "conftest.py", "setup.py", "package.json", "AGENTS.md", "CLAUDE.md")


class ChangeCounts(Contract):
    """How much a change is in all, where not every file of it is named."""

    files: int
    outside: int = Field(default=0, description="files that the item did not name")
    added: int = Field(default=0, description="lines")
    removed: int = Field(default=0, description="lines")
    binary: int = Field(default=0, description="files that are not text")
    runs_itself: tuple[str, ...] = Field(default=(), description="the first files that run by themselves or steer agents")
    listing: Digest = Field(description="artifact with every changed file, as JSON")


class ChangeSet(Grown, name="change_set/1"):
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


class TestTask(Contract, name="test_task/1"):
    """What the tester is given: what should be true, and what was changed."""

    __test__ = False

    instruction: str
    acceptance: tuple[str, ...]
    files: tuple[FileChange, ...]
    diff: str = Field(description="the change, cut where it is long")
    check: str | None
    feedback: tuple[Feedback, ...] = ()
    answers: tuple[Clarified, ...] = ()


class TestNotes(Contract, name="test_notes/1"):
    """What the tester says it tried. The verdict does not come from here."""

    __test__ = False

    summary: str = Field(min_length=1, max_length=4000)
    tried: tuple[str, ...] = Field(max_length=30)


class CheckRun(Grown, name="check_run/1"):
    """One run of a check in the sandbox."""

    later = ("unnamed",)

    command: str
    tree: str
    exit_code: int | None = Field(description="None: it was stopped")
    timed_out: bool = False
    total: int | None = Field(default=None, description="tests counted; None: the check does not report single tests")
    failures: tuple[str, ...] = Field(default=(), description="ids of failed tests; at most 200")
    unnamed: int = Field(default=0, description="failed tests that are not named, because there are so many")
    output: ArtifactRef
    tail: str = Field(default="", description="the end of the output, made safe to show")
    seconds: int = 0

    @property
    def green(self) -> bool:
        """True if the command said so itself, and, where it counts tests, counted at least one and none that failed."""
        return self.exit_code == 0 and not self.timed_out and self.total != 0 and not self.failures


class TestReport(Contract, name="test_report/1"):
    """What the checks showed, on the change and on the base."""

    __test__ = False

    verdict: Verdict
    why: str
    runs: tuple[CheckRun, ...] = ()
    base: CheckRun | None = None
    new_failures: tuple[str, ...] = ()
    failed_before: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    tests_added: tuple[str, ...] = ()
    left_out: tuple[str, ...] = Field(default=(), description="files that the tester changed and may not; not in the change")
    notes: str = ""


class ChangeSubject(Contract, name="change_subject/1"):
    """What is approved at the change gate, and what is executed: exactly these bytes."""

    repository: str
    base: str
    tree: str
    branch: str
    patch: ArtifactRef
    message: str
    verdict: Verdict
    report: Digest


class WriteItemInput(ChildInput, name="write_item_input/1"):
    """What the child workflow of one work item is started with."""

    task: WriteTask
    start: WorkspaceRef
    check: str | None = None
    environment: str | None = None
    inputs: tuple[str, ...] = ()
    agent: str = Field(default="writer", description="who does it")
    deadline_s: int = 7200


class DeliveryStatus(Contract, name="delivery_status/1"):
    """Where a delivery is now."""

    run: str
    trace: str
    state: RunState
    stage: str
    waiting_for: GateView | None = None
    did: str = ""
    why: str = ""
    next: str = ""
    spent_micros: int = 0
    ceiling_micros: int = 0
    scripted: bool = False


class DeliveryReport(Contract, name="delivery_report/1"):
    """How a delivery ended."""

    run: str
    trace: str
    state: RunState
    reason: str = ""
    repository: str = ""
    base: str = ""
    branch: str = ""
    commit: str = ""
    tree: str = ""
    summary: str = ""
    files: tuple[FileChange, ...] = ()
    counts: ChangeCounts | None = Field(default=None, description="None: every file is named above")
    tests: TestReport | None = None
    receipts: tuple[Receipt, ...] = ()
    approved_by: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    usd_micros: int = 0
    tokens: int = 0
    scripted: bool = Field(default=False, description="no real model took part")
    degraded: tuple[str, ...] = Field(default=(), description="steps that a fallback did, because no model could be asked")
