"""What a repository says about its own tests: which commands would prove a change, where its code lies, what a check needs."""

from typing import Literal

from pydantic import Field

from contracts.base import Contract

Standing = Literal["declared", "convention", "presence"]
"""declared: the project says so itself. convention: a manifest whose tool has one way to test. presence: test files alone."""


class Candidate(Contract):
    """A command that would prove a change, and the file that says so."""

    command: str
    source: str = Field(description="file, and the part of it")
    standing: Standing


class Detected(Contract):
    """What was found by looking at files; nothing was run. `candidates` in the order in which they are preferred."""

    candidates: tuple[Candidate, ...] = ()
    layout: tuple[str, ...] = Field(default=(), description="packages, manifests and lock files, one line each")
    needs: tuple[str, ...] = Field(default=(), description="what a check needs that neither the repository nor Baton brings")

    @property
    def best(self) -> Candidate | None:
        """The one that is taken where nobody names another; None: no file says how the project is tested."""
        return self.candidates[0] if self.candidates else None
