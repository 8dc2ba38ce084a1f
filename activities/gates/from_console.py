"""Decisions that say that they come from the console: the console has written them down, and nobody has taken them back."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from contracts.gates import Claimed, Decided, Decision, GateView
from contracts.known import Known
from ledger import decision_outbox

CHANNEL = decision_outbox.CHANNEL
"""The channel of what was decided there."""


@dataclass(frozen=True)
class Proof:
    """What the console has written down about a decision: why it does not count (None: it may), and how it knew the person.

    `is_there`: it has written down this very decision.
    """

    refused: str | None = None
    known: Known = ""
    is_there: bool = False


NONE = Proof()
"""Of a decision that does not say that it comes from there."""


def proof(connection: Connection, view: GateView, claim: Claimed) -> Proof:
    """Look up what a decision says of the console. Of any other channel nothing is asked, and nothing is known.

    The row is found by the id that the decision names, and has to be of this gate and say the very same: what was sent counts
    as decided in the console for nothing that it says itself. One that was refused stays so, with the same reason.
    """
    said = claim.decision
    if said.channel != CHANNEL:
        return NONE
    sent = decision_outbox.find(connection, said.nonce or "", lock=True)
    here = sent is not None and (sent.trace, sent.gate, sent.verb) == (view.trace, view.gate, claim.verb)
    if sent is None or not here or Decision.model_validate(sent.said) != said:
        return Proof(
            "it says that it comes from the console, where nobody has decided this; decide it there, or leave `channel` out"
        )
    if sent.state == "withdrawn":
        return Proof(f"{sent.by!r} has withdrawn it in the console", is_there=True)
    # Somebody else may send it again, later: what its person was told is what holds.
    if sent.state == "refused":
        return Proof(sent.answer or "it was refused before; decide again in the console", is_there=True)
    return Proof(known=sent.way, is_there=True)


def answered(connection: Connection, claim: Claimed, found: Proof, outcome: Decided, refused: str) -> None:
    """Record in the console's outbox what has become of the decision, in the transaction that decides: no later than that.

    Whoever only borrows the id of one answers nothing with it.
    """
    if found.is_there and claim.decision.nonce:
        state: Literal["confirmed", "refused"] = "refused" if refused else "confirmed"
        decision_outbox.settle(connection, claim.decision.nonce, state, refused or outcome.reason)
