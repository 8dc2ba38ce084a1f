"""Review's contracts: from two revisions, or a patch, to findings with verified quotes."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.base import Command, Contract, Line
from contracts.findings import Checked
from contracts.ids import repository_name
from contracts.inputs import PipelineInput, Typed
from contracts.outside import From
from contracts.people import Feedback
from contracts.reports import Reading, Report
from contracts.repositories import ChangeCounts, FileChange


class ReviewInput(PipelineInput, name="review_input/1"):
    """What to review: a head or a patch, and the base that it changes."""

    repository: Annotated[Line, Typed("-r", "repository")] = Field(
        min_length=1, max_length=1000, description="path or URL of a git repository"
    )
    base: Line | None = Field(
        default=None, max_length=200, description="revision that the change starts from; None: the main branch"
    )
    head: Line | None = Field(default=None, max_length=200, description="branch, tag or commit with the change")
    patch: Annotated[Command | None, Typed(path="content"), From("repo")] = Field(
        default=None, min_length=1, max_length=60_000, description="unified diff with the change, in place of a head"
    )
    focus: str = Field(default="", max_length=4000, description="what to look at first, in plain words")

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if (self.head is None) == (self.patch is None):
            raise ValueError("give either a head (a branch, tag or commit) or a patch (a unified diff), and not both")
        return self

    def label(self) -> str:
        """The repository's name."""
        return repository_name(self.repository)

    def asks(self) -> str:
        """Which change is reviewed, and the focus."""
        return f"review {self.head or 'a patch'}{f': {self.focus}' if self.focus else ''}"

    def about(self) -> tuple[str, ...]:
        """The repository, and what the change is compared with."""
        return (f"repository: {self.repository}", f"base: {self.base or 'its main branch'}")


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

    def reading(self) -> Reading:
        """What was compared and by whom, then the findings, worst first, then what could not be proven."""
        lines = (("summary", self.summary), ("compared", self.note), ("reviewed", ", ".join(self.reviewed_by)))
        return Reading((*lines, ("missing", "; ".join(self.missing))), self.checked.rows())


INPUT, REPORT = ReviewInput, ReviewReport
EXAMPLE = {"repository": "/srv/git/shop", "head": "fix/rounding"}
CONTRACTS: tuple[type[Contract], ...] = (ReviewInput, ReviewReport, ReviewTask)
