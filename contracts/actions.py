"""Effects on the outside world: what was meant, and the proof that it happened."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import Contract, Digest, Input, digest_of, is_none
from contracts.ids import business_key
from contracts.runs import Request, RunRef

Tier = Literal["auto", "confirm", "draft"]
"""auto: done and told. confirm: done when a person has approved it. draft: a person does it, and says so."""

GATES_OF: dict[Tier, tuple[Literal["action", "draft", "unknown"], ...]] = {
    "auto": ("unknown",),
    "confirm": ("action", "unknown"),
    "draft": ("draft",),
}
"""The kinds of gate that performing an action may open, by its tier."""

ActionState = Literal[
    "proposed",
    "rejected",
    "expired",
    "approved",
    "held",
    "sending",
    "delivered",
    "failed",
    "unknown",
    "dead",
    "done_by_person",
    "declined",
]
SETTLED: frozenset[ActionState] = frozenset(
    {"rejected", "expired", "delivered", "failed", "dead", "done_by_person", "declined"}
)


How = Literal["sent", "found", "person", ""]
"""How an action's outcome is known. found: the target already had it."""


class ActionPolicy(Input):
    """How one action type is allowed: from policy.toml. An undeclared type is refused."""

    adapter: str
    tier: Tier
    reversible: str = Field(description="'yes', 'no', or 'by ACTION'")
    accountable: str = Field(description="role that answers for it")


class GitPush(Contract, name="git_push/1"):
    """Push one approved tree as a branch. The commit is made from these fields alone, so every attempt makes the same one."""

    repository: str
    base: str = Field(description="commit id that the branch starts from")
    tree: str
    branch: str
    message: str
    patch: Digest | None = Field(
        default=None,
        exclude_if=is_none,
        description="artifact with the patch from base to tree: makes it again on any machine",
    )

    def key(self) -> str:
        """The logical event: this tree on this branch of this repository."""
        return business_key("git.push", self.repository, self.branch, self.tree)

    def identity(self) -> str:
        """Digest of what makes it the same action; message and patch do not."""
        return digest_of("git.push", self.repository, self.base, self.tree, self.branch)


class NoteAction(Contract, name="note_action/1"):
    """Write a note about a run into the ledger, where people read it in the feed. `name` tells a run's notes apart."""

    run: RunRef
    name: str
    text: str

    def key(self) -> str:
        """The logical event: the note of this name of this run family."""
        return business_key("note", self.run.trace, self.name)

    def identity(self) -> str:
        """Digest of what makes it the same note."""
        return digest_of("note", self.run.trace, self.name, self.text)


class Receipt(Contract, name="receipt/1"):
    """Proof that an action happened, and how we know."""

    key: Digest
    type: str
    state: ActionState
    summary: str
    reference: str = Field(default="", description="the target's own name for it, e.g. a commit id")
    how: How = Field(default="", description="found: the target already had it")
    at: datetime | None = None
    problem: str = ""


class Deliver(Request, name="deliver/1"):
    """Ask for one approved intent to be carried out."""

    key: Digest


class Resolve(Request, name="resolve/1"):
    """Settle an unknown outcome by what a person found."""

    key: Digest
    happened: bool
    by: str
