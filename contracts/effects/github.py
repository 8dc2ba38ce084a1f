"""`git.open_pull_request` and `git.comment`: what a repository's host is asked for, by GitHub's REST interface."""

from typing import Annotated

from pydantic import Field

from contracts.base import Line, digest_of
from contracts.effects.base import TEXT_LIMIT, Effect, Event, whole
from contracts.ids import business_key

Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9._-]{1,100}$", max_length=200)]
"""A repository on its host, as OWNER/NAME."""

Branch = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")]


class OpenPullRequest(Effect, name="open_pull_request/1"):
    """Open a pull request for a branch that is there, unless there is an open one for the same branches."""

    repository: Slug
    head: Branch = Field(description="the branch with the change, in the same repository")
    base: Branch = Field(description="the branch that it is to go into")
    title: Line = Field(min_length=1, max_length=250)
    body: str = Field(default="", max_length=TEXT_LIMIT)

    def key(self) -> str:
        """Business key: these two branches of this repository."""
        return business_key("git.open_pull_request", self.target, self.repository, self.head, self.base)

    def identity(self) -> str:
        """Digest of branches, title and text."""
        return whole("git.open_pull_request", self)

    def summary(self) -> str:
        """Branches, repository and title."""
        return f"open a pull request of {self.head} into {self.base} of {self.repository}: {self.title}"


class GitComment(Effect, name="git_comment/1"):
    """Comment on an issue or a pull request, once per event."""

    repository: Slug
    number: int = Field(ge=1, le=10_000_000, description="of the issue or pull request")
    event: Event = Field(description="the logical event; commented once, whatever the text")
    text: str = Field(min_length=1, max_length=TEXT_LIMIT)

    def key(self) -> str:
        """Business key: this event at this issue."""
        return business_key("git.comment", self.target, self.repository, str(self.number), self.event)

    def identity(self) -> str:
        """Digest of issue, event and text."""
        return digest_of("git.comment", self.target, self.repository, str(self.number), self.event, self.text)

    def summary(self) -> str:
        """Issue and repository."""
        return f"comment on {self.repository}#{self.number}: {self.event}"
