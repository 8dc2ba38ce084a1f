"""Review's contracts: from two revisions, or a patch, to findings with verified quotes."""

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from contracts.actions import Receipt
from contracts.base import Command, Contract, Line, is_empty, is_none
from contracts.findings import SEVERITIES, Checked, Severity
from contracts.ids import repository_name
from contracts.inputs import ChildInput, PipelineInput, Typed
from contracts.outside import From
from contracts.people import Feedback
from contracts.reports import Reading, Report
from contracts.repositories import ChangeCounts, Compared, FileChange, FileGroup
from contracts.runs import Request
from contracts.step_resources import NAME

_PULL = re.compile(r"/([A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9._-]{1,100})/pull/([1-9][0-9]{0,7})/?\Z")


def pull_request_at(address: str) -> tuple[str, str, int]:
    """Host, OWNER/NAME and number of a pull request's address. Raises `ValueError` for any other address."""
    parts = urlsplit(address)
    found = _PULL.match(parts.path)
    if parts.scheme not in ("https", "http") or not parts.netloc or "@" in parts.netloc or found is None:
        raise ValueError("pull_request is not like https://HOST/OWNER/NAME/pull/NUMBER; copy it from the browser")
    return parts.netloc, found[1], int(found[2])


class ReviewInput(PipelineInput, name="review_input/1"):
    """What to review: a head, a patch or a pull request, and the base that it changes."""

    repository: Annotated[Line | None, Typed("-r", "repository")] = Field(
        default=None, min_length=1, max_length=1000, description="path or URL of a git repository; None: the pull request's"
    )
    base: Line | None = Field(
        default=None, max_length=200, description="revision that the change starts from; None: the main branch"
    )
    head: Line | None = Field(default=None, max_length=200, description="branch, tag or commit with the change")
    patch: Annotated[Command | None, Typed(path="content"), From("repo")] = Field(
        default=None, min_length=1, max_length=60_000, description="unified diff with the change, in place of a head"
    )
    pull_request: Line | None = Field(
        default=None, max_length=500, exclude_if=is_none, description="address of a pull request, in place of a head"
    )
    target: Line | None = Field(
        default=None,
        pattern=NAME,
        exclude_if=is_none,
        description="the [targets.NAME] of kind github that the pull request is at; None: github.com, without a key",
    )
    comment: bool = Field(
        default=False, exclude_if=is_empty, description="true: comment on the pull request, as policy has it for git.comment"
    )
    fail_on: Severity | None = Field(
        default=None,
        exclude_if=is_none,
        description="critical, high, medium or low: exit code 10 for a finding that is as bad; None: never",
    )
    focus: str = Field(default="", max_length=4000, description="what to look at first, in plain words")

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        given = [one for one in (self.head, self.patch, self.pull_request) if one is not None]
        if len(given) != 1:
            raise ValueError(
                "give either a head (a branch, tag or commit) or a patch (a unified diff) or a pull_request (its address), "
                "and not both"
            )
        if self.repository is None and self.pull_request is None:
            raise ValueError("repository: it is missing; name a path or a URL")
        if self.pull_request is not None:
            pull_request_at(self.pull_request)
            if self.base is not None:
                raise ValueError("leave out base: a pull request says what it goes into")
        elif self.target is not None:
            raise ValueError("leave out target: only a pull request is at one")
        if self.comment and (self.pull_request is None or self.target is None):
            raise ValueError("a comment needs a pull_request to stand at, and the target that may write there")
        return self

    def label(self) -> str:
        """The repository's name."""
        if self.repository is None and self.pull_request is not None:
            return repository_name(pull_request_at(self.pull_request)[1])
        return repository_name(self.repository or "")

    def asks(self) -> str:
        """Which change is reviewed, and the focus."""
        return f"review {self.head or self.pull_request or 'a patch'}{f': {self.focus}' if self.focus else ''}"

    def about(self) -> tuple[str, ...]:
        """The repository, and what the change is compared with."""
        if self.pull_request is not None:
            return (f"pull request: {self.pull_request}", f"repository: {self.repository or 'as the pull request says'}")
        return (f"repository: {self.repository}", f"base: {self.base or 'its main branch'}")


class FindPullRequest(Request, name="find_pull_request/1"):
    """Ask a host what a pull request is about. Reads alone."""

    address: str
    target: str | None = None


class PullRequest(Contract, name="pull_request/1"):
    """What a pull request changes, by its host. Its title and text are no part of it: whoever opened it wrote them."""

    address: str
    slug: str = Field(description="OWNER/NAME")
    number: int
    repository: str = Field(description="URL to fetch from")
    base: str = Field(description="commit that it goes into")
    head: str = Field(description="name under which its newest commit is fetched")
    commit: str = Field(description="its newest commit, as the host says")
    note: str = ""


class ReviewPartInput(ChildInput, name="review_part_input/1"):
    """One group of the files of a large change, for a child that reviews it."""

    compared: Compared
    group: FileGroup
    focus: str = ""


class PartReviewed(Contract, name="part_reviewed/1"):
    """What a child's reviewers handed on, by id, and who is missing."""

    handoffs: tuple[str, ...]
    by: tuple[str, ...]
    missing: tuple[str, ...]


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
