"""Testing in a delivery: the tester's task and notes, and what the checks showed."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Contract, Digest
from contracts.delivery.proof import Proof
from contracts.outside import From
from contracts.people import Feedback
from contracts.repositories import ChangeSet, CheckRun, FileChange
from contracts.runs import Request

Verdict = Literal["passed", "no_new_failures", "failed", "not_run", "not_proven"]
"""Computed from runs, never taken from a model. no_new_failures: only what failed on the base still fails. not_proven: the
check is green, but the base's tests are not, or the check is green whatever the changed lines do."""

Declared = Literal["", "person", "repository", "planner"]
"""Who said which check counts; repository: it was found in its files. Empty: no check, or a run that began before."""


class TestTask(Contract, name="test_task/1"):
    """What the tester is given: what should be true, and what was changed."""

    # pytest would take a class of this name for tests and warn wherever it is imported.
    __test__ = False

    instruction: str
    acceptance: tuple[str, ...]
    files: tuple[FileChange, ...]
    diff: Annotated[str, From("repo")] = Field(description="the change, cut where it is long")
    check: str | None
    feedback: tuple[Feedback, ...] = ()


class TestNotes(Contract, name="test_notes/1"):
    """What the tester says it tried. The verdict does not come from here."""

    __test__ = False

    summary: str = Field(min_length=1, max_length=4000)
    tried: tuple[str, ...] = Field(max_length=30)


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
    left_out: tuple[str, ...] = Field(
        default=(), description="files that the tester changed without permission; not in the change"
    )
    notes: str = ""
    proof: Proof | None = Field(default=None, description="whether it means something; None: not asked")
    declared: Declared = ""


class Judge(Request, name="judge/1"):
    """Compare runs on the change with the run on the base."""

    runs: tuple[CheckRun, ...]
    base: CheckRun | None
    added: ChangeSet | None
    tester_notes: str = ""
    proof: Proof | None = None
    declared: Declared = ""


class Judged(Contract, name="judged/1", brief=True):
    """The report, and the artifact of what it says: without durations and outputs, which the same check does not repeat."""

    report: TestReport
    artifact: Digest
