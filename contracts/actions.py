"""Effects on the outside world: what was meant, and the proof that it happened."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from contracts.base import Contract, Digest, Span, digest_of, is_empty, is_none
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


Relayed = Literal["", "waited", "handed", "swept"]
"""Who carries an action out. Empty: its run. Else the relay: its run waits for that, has gone on, or is over."""

TIERS: tuple[Tier, ...] = ("auto", "confirm", "draft")
"""From the one that asks least to the strictest."""

Approvals = Annotated[int, Field(ge=1, le=9)]
"""How many different people have to say yes."""


class Rate(Contract):
    """At most so many actions of a type without a person, in any period of this length.

    `of`: counted for each target, for each project, or for `all`. `over`: a person is asked for the next one, or it waits until
    there is room.
    """

    model_config = ConfigDict(extra="forbid")

    most: int = Field(ge=1)
    per: Span
    of: Literal["target", "project", "all"] = "project"
    over: Literal["ask", "wait"] = "ask"


class ActionTerms(Contract):
    """What a type of action takes: from policy.toml, pinned when the run starts."""

    tier: Tier
    tier_when_tainted: Tier | None = Field(
        default=None,
        exclude_if=is_none,
        description="instead of `tier` where outside text flowed in; None: the same, but in policy.toml `confirm` for `auto`",
    )
    reversible: str = Field(pattern=r"^(yes|no|by \S+)$", description="'yes', 'no', or 'by ACTION'")
    accountable: str = Field(description="who is accountable for it: a role, a person, or the run's owner")
    who: tuple[str, ...] | None = Field(
        default=None,
        exclude_if=is_none,
        description="who may approve it, of those whom the gate lets decide; None: all of them",
    )
    approvals: Approvals = Field(default=1, exclude_if=lambda count: count == 1)
    requester_may_approve: bool = Field(default=True, exclude_if=bool)
    deadline: timedelta | None = Field(
        default=None, exclude_if=is_none, description="of its own gates, where it is shorter than theirs"
    )
    reminder: timedelta | None = Field(default=None, exclude_if=is_none, description="at its own gates; None: theirs")
    escalation: tuple[str, ...] | None = Field(
        default=None, exclude_if=is_none, description="at its own gates, ends with `accountable`; None: theirs"
    )
    expiry: Literal["reject", "escalate"] | None = Field(default=None, exclude_if=is_none, description="None: its gates'")
    rate: Rate | None = Field(default=None, exclude_if=is_none, description="None: as many as there are")

    @property
    def tainted_tier(self) -> Tier:
        """The tier where outside text flowed in."""
        return stricter(self.tier, self.tier_when_tainted or self.tier)


class ActionPolicy(ActionTerms):
    """One action type's entry in policy.toml. A type without an entry is refused."""

    model_config = ConfigDict(extra="forbid")

    adapter: str
    deadline: Span | None = Field(default=None, exclude_if=is_none)
    reminder: Span | None = Field(default=None, exclude_if=is_none)

    @property
    def tainted_tier(self) -> Tier:
        """The tier where outside text flowed in. What reaches somebody outside is then `auto` only if the entry says so."""
        asks = self.tier == "auto" and self.adapter not in INWARD
        return stricter(self.tier, self.tier_when_tainted or ("confirm" if asks else self.tier))


INWARD = frozenset({"note"})
"""Adapters whose actions reach nobody outside."""


def stricter(*tiers: Tier) -> Tier:
    """The strictest of these tiers."""
    return max(tiers, key=TIERS.index)


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


def target_of(arguments: Mapping[str, object]) -> str:
    """What an action acts on, for counting: its `target`, else its repository, recipient or URL; "" if it names none."""
    named = (arguments.get(name) for name in ("target", "repository", "recipient", "to", "url"))
    return next((str(one) for one in named if one), "")


class Receipt(Contract, name="receipt/1", brief=True):
    """How an action ended, and how we know."""

    key: Digest
    type: str
    state: ActionState
    summary: str
    reference: str = Field(default="", description="the target's own id for it, e.g. a commit id")
    how: How = Field(default="", description="sent, found (the target already had it) or person")
    at: datetime | None = None
    problem: str = ""
    note: str = Field(default="", exclude_if=is_empty, description="what the person who did it said of it")
    done_by: str = Field(default="", description="found: the run that had done it before; empty: not known, or this one")

    @property
    def by_hand(self) -> str:
        """What the person who did it said, with the reference, in brackets; "" where nobody said anything."""
        said = (self.note, self.reference and f"reference {self.reference}") if self.state == "done_by_person" else ()
        return f"({'; '.join(one for one in said if one)})" if any(said) else ""


class Deliver(Request, name="deliver/1"):
    """Ask to carry out one approved intent."""

    key: Digest
    hand_over: bool = Field(default=False, exclude_if=is_empty, description="leave it to the relay and do not wait for it")


class Resolve(Request, name="resolve/1"):
    """Settle an unknown outcome with what a person found out."""

    key: Digest
    happened: bool
    by: str
    reference: str = Field(default="", exclude_if=is_empty, description="the target's own id for it, where a person knows it")
