"""Decisions that hold a gate while they are checked, and the gate that they hold."""

from dataclasses import dataclass, field
from typing import Literal

from temporalio import workflow

from contracts.gates import Claimed, Decided, GateView

Via = Literal["signal", "update"]


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

    @property
    def claimed_or_reset(self) -> bool:
        """True when the wait for a decision is over, or begins anew because the run was reset to a point within it."""
        return self.claim is not None or workflow.random_seed() != self.seed

    def taken_by(self, said: Claimed) -> Claim:
        """The decision holds the gate from now on, under its number at this gate."""
        self.claims += 1
        self.claim = Claim(said.model_copy(update={"nth": self.claims}))
        return self.claim


def same(one: Claimed, other: Claimed) -> bool:
    """True for one decision that was sent twice: the nonce alone may be anybody's."""
    key = one.decision.nonce, one.verb, one.decision.by
    return one.decision.nonce is not None and key == (other.decision.nonce, other.verb, other.decision.by)
