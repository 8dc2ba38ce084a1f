"""What a review is asked for: a head, a patch or a pull request."""

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from contracts.base import Command, Line, is_empty, is_none
from contracts.findings import Severity
from contracts.ids import repository_name
from contracts.inputs import PipelineInput, Typed
from contracts.outside import From
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
                "give one of a head (a branch, tag or commit), a patch (a unified diff) and a pull request (its address), "
                "and only one"
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
