"""Decisions that hold a gate while they are checked, and the gate that they hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from temporalio import workflow

from contracts.carried import Ended
from contracts.errors import Refused
from contracts.gates import Claimed, Decided, Decision, GateView, Verb

NEVER_OPENED = "the run ended before this gate opened"
"""Why a decision that was kept for a gate did not count."""

Via = Literal["signal", "update"]

EARLY_LIMIT = 20
"""Most decisions that are kept for gates that are not open yet."""

EARLY_BYTES = 32 * 1024
"""Their largest total size in bytes: they are part of the input of a continued run."""


@dataclass
class Claim:
    """One decision that took a gate; `outcome` is set when it has been checked.

    `is_dated`: Temporal was asked when it received it.
    """

    said: Claimed
    outcome: Decided | None = None
    is_dated: bool = False


@dataclass
class OpenGateState:
    """One gate that waits. `counted` is the decision that closed it, `seed` tells a reset."""

    view: GateView
    seed: int
    claim: Claim | None = None
    counted: Claimed | None = None
    claims: int = 0
    kept: list[Claimed] = field(default_factory=list)
    """Early decisions that get their turn if those before them do not count."""
    queue: list[Claim] = field(default_factory=list)
    """Where several people have to say yes: those who did while another one was being checked."""

    @property
    def claimed_or_reset(self) -> bool:
        """True when the wait for a decision is over, or begins anew because the run was reset to a point within it."""
        return self.claim is not None or workflow.random_seed() != self.seed

    def taken_by(self, said: Claimed) -> Claim:
        """The decision holds the gate from now on, under its number at this gate."""
        self.claim = self._numbered(said)
        return self.claim

    def queued(self, said: Claimed) -> Claim:
        """The decision holds the gate once those before it have been checked."""
        claim = self._numbered(said)
        self.queue.append(claim)
        return claim

    def _numbered(self, said: Claimed) -> Claim:
        self.claims += 1
        return Claim(said.model_copy(update={"nth": self.claims}))


def same(one: Claimed, other: Claimed) -> bool:
    """True for one decision that was sent twice: the nonce alone may be anybody's."""
    key = one.decision.nonce, one.verb, one.decision.by
    return one.decision.nonce is not None and key == (other.decision.nonce, other.verb, other.decision.by)


def sent_before(ended: Ended | None, verb: Verb, said: Decision) -> Claim | None:
    """A claim that repeats the decision which closed a gate in the previous run; None if this is not that decision."""
    if ended is None or said.nonce is None or (said.nonce, verb, said.by) != (ended.nonce, ended.verb, ended.by):
        return None
    again = Decided(
        gate=said.gate,
        won=True,
        verb=verb,
        by=said.by,
        note=said.note,
        reference=said.reference,
        subject=ended.subject,
        at=ended.at,
    )
    return Claim(Claimed(verb=verb, decision=said, at=ended.at, via="update"), again)


def check_early(kept: Sequence[Claimed], claimed: Claimed) -> None:
    """Raise `Refused` if this decision does not fit beside those that are kept for gates that are not open yet."""
    gate = claimed.decision.gate
    if len(kept) >= EARLY_LIMIT:
        raise Refused(f"gate {gate} is not open yet, and {EARLY_LIMIT} early decisions are kept already")
    if sum(len(one.stored()) for one in (*kept, claimed)) > EARLY_BYTES:
        raise Refused(f"gate {gate} is not open yet, and early decisions may have at most {EARLY_BYTES} bytes in total")
