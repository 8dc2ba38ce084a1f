"""Review's contracts: from a change to findings with verified quotes. Its input and its parts have modules of their own."""

from typing import Annotated, ClassVar

from pydantic import Field

from contracts.actions import Receipt
from contracts.base import Contract, is_empty, is_none
from contracts.findings import SEVERITIES, Checked, Severity
from contracts.outside import From
from contracts.people import Feedback
from contracts.reports import Reading, Report
from contracts.repositories import ChangeCounts, FileChange
from contracts.review_input import ReviewInput
from contracts.review_parts import FindPullRequest, PartReviewed, PullRequest, ReviewPartInput


class ReviewTask(Contract, name="review_task/1"):
    """What every agent of a review is given. Earlier agents' results stand beside it."""

    files: tuple[FileChange, ...]
    counts: ChangeCounts | None = None
    diff: Annotated[str, From("repo")] = Field(description="cut where it is long; the artifact has all of it")
    artifact: str
    focus: str = ""
    feedback: tuple[Feedback, ...] = ()


class ReviewReport(Report, name="review_report/1"):
    """How a review ended. `missing` names agents whose part is missing or uncertain, with reasons."""

    forms: ClassVar[tuple[str, ...]] = ("markdown", "sarif")

    repository: str = ""
    base: str = ""
    head: str = ""
    note: str = ""
    summary: str = ""
    files: tuple[FileChange, ...] = ()
    counts: ChangeCounts | None = None
    checked: Checked = Checked()
    reviewed_by: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    pull_request: str = Field(default="", exclude_if=is_empty)
    fail_on: Severity | None = Field(default=None, exclude_if=is_none, description="as it was asked for")
    comment: Receipt | None = Field(default=None, exclude_if=is_none, description="what became of the comment")

    def reading(self) -> Reading:
        """What was compared and by whom, then the findings, worst first, then what could not be proven."""
        lines = (("summary", self.summary), ("compared", self.note), ("reviewed", ", ".join(self.reviewed_by)))
        said = self.comment and f"{self.comment.state}: {self.comment.reference or self.comment.problem}"
        more = (("missing", "; ".join(self.missing)), ("comment", said or ""))
        return Reading((*lines, *more), self.checked.rows())

    def falls_short(self) -> bool:
        """True if a finding is as bad as `fail_on`, or worse."""
        worst = SEVERITIES[: SEVERITIES.index(self.fail_on) + 1] if self.fail_on else ()
        return any(one.severity in worst for one in self.checked.findings)


INPUT, REPORT = ReviewInput, ReviewReport
EXAMPLE = {"repository": "/srv/git/shop", "head": "fix/rounding"}
CONTRACTS: tuple[type[Contract], ...] = (
    ReviewInput,
    ReviewReport,
    ReviewTask,
    ReviewPartInput,
    PartReviewed,
    FindPullRequest,
    PullRequest,
)
