"""What a review's steps exchange: a pull request, and a group of files with what its reviewers made."""

from pydantic import Field

from contracts.base import Contract
from contracts.inputs import ChildInput
from contracts.repositories import Compared, FileGroup
from contracts.runs import Request


class FindPullRequest(Request, name="find_pull_request/1"):
    """Ask a host what a pull request is about. Reads alone."""

    address: str
    target: str | None = None


class PullRequest(Contract, name="pull_request/1", brief=True):
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
