"""Effects on the outside world: what was meant, and the proof that it happened."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import Contract, Digest, Input, digest_of, is_none
from contracts.ids import business_key
from contracts.runs import Request, RunRef

Tier = Literal["auto", "confirm", "draft"]
"""auto: Baton acts and reports it. confirm: Baton acts once a person has approved. draft: a person acts and reports back."""

GATES_OF: dict[Tier, tuple[Literal["action", "draft", "unknown"], ...]] = {
    "auto": ("unknown",),
    "confirm": ("action", "unknown"),
    "draft": ("draft",),
}
"""The kinds of gate that an action of each tier may open."""

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
"""How an action's outcome is known. sent: the target took it. found: the target already had it. person: somebody said so."""


class ActionPolicy(Input):
    """One action type's entry in policy.toml. A type without an entry is refused."""

    adapter: str
    tier: Tier
    reversible: str = Field(description="'yes', 'no', or 'by ACTION'")
    accountable: str = Field(description="role that is accountable for it")


class GitPush(Contract, name="git_push/1"):
    """Push one approved tree as a branch. The commit is built from these fields alone, so every attempt builds the same one."""

    repository: str
    base: str = Field(description="commit id that the branch starts from")
    tree: str
    branch: str
    message: str
    # How to rebuild the tree, and not what is pushed: `identity` leaves it out.
    patch: Digest | None = Field(
        default=None,
        exclude_if=is_none,
        description="artifact with the patch from base to tree: rebuilds the tree on any machine",
    )
    author: str | None = Field(default=None, exclude_if=is_none, description="`Name <address>`; None: Baton")

    def key(self) -> str:
        """Business key: this tree on this branch of this repository."""
        return business_key("git.push", self.repository, self.branch, self.tree)

    def identity(self) -> str:
        """Digest of the fields that identify the action; message and patch are not among them."""
        # Left out while there is none: pushes that were approved before there was an author keep their digest.
        author = (self.author,) if self.author else ()
        return digest_of("git.push", self.repository, self.base, self.tree, self.branch, *author)


class NoteAction(Contract, name="note_action/1"):
    """Write a note about a run to the feed. `name` distinguishes the notes of one run."""

    run: RunRef
    name: str
    text: str

    def key(self) -> str:
        """Business key: the note with this name in this run family."""
        return business_key("note", self.run.trace, self.name)

    def identity(self) -> str:
        """Digest of the fields that identify the note; its text is one of them."""
        return digest_of("note", self.run.trace, self.name, self.text)


class Receipt(Contract, name="receipt/1"):
    """How an action ended, and how we know."""

    key: Digest
    type: str
    state: ActionState
    summary: str
    reference: str = Field(default="", description="the target's own id for it, e.g. a commit id")
    how: How = Field(default="", description="sent, found (the target already had it) or person")
    at: datetime | None = None
    problem: str = ""
    done_by: str = Field(default="", description="found: the run that had done it before; empty: not known, or this one")


class Deliver(Request, name="deliver/1"):
    """Ask to carry out one approved intent."""

    key: Digest


class Resolve(Request, name="resolve/1"):
    """Settle an unknown outcome with what a person found out."""

    key: Digest
    happened: bool
    by: str
