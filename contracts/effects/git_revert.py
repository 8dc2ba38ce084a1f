"""`git.revert`: a commit that takes a pushed change back, as a new branch."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from contracts.base import Contract, Line, digest_of
from contracts.ids import business_key, repository_name

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def _commit(text: str) -> str:
    if not _COMMIT.fullmatch(text):
        raise ValueError("is no whole commit id (40 or 64 hex digits): a shorter one, or a name, may mean another tomorrow")
    return text


Commit = Annotated[Line, AfterValidator(_commit)]


class GitRevert(Contract, name="git_revert/1"):
    """Push a branch whose one new commit takes back what `commit` changed. Branch and commit follow from these fields alone."""

    repository: Line = Field(min_length=1, max_length=1000)
    commit: Commit = Field(description="the commit that is taken back, against its first parent")
    onto: Commit = Field(description="the commit that the branch starts from")
    branch: Line = Field(min_length=1, max_length=200)

    def key(self) -> str:
        """Business key: this commit taken back on this branch of this repository."""
        return business_key("git.revert", self.repository, self.branch, self.commit)

    def identity(self) -> str:
        """Digest of all fields."""
        return digest_of("git.revert", self.repository, self.commit, self.onto, self.branch)

    def summary(self) -> str:
        """Commit, repository and branch."""
        return f"revert {self.commit[:12]} of {repository_name(self.repository)} as {self.branch}"
