"""Decisions that say that they come from the console: the console has written them down, and nobody has taken them back."""

from typing import Literal

from sqlalchemy import Connection

from contracts.gates import Claimed, Decided, Decision, GateView
from ledger import decision_outbox

CHANNEL = "console"
"""The channel of what was decided there."""


def not_from_there(connection: Connection, view: GateView, claim: Claimed) -> str | None:
    """Why this decision does not count, or None. Of any other channel nothing is asked here."""
    said = claim.decision
    if said.channel != CHANNEL:
        return None
    sent = decision_outbox.find(connection, said.nonce or "", lock=True)
    here = sent is not None and (sent.trace, sent.gate, sent.verb) == (view.trace, view.gate, claim.verb)
    if sent is None or not here or Decision.model_validate(sent.said) != said:
        return "it says that it comes from the console, where nobody has decided this; decide it there, or leave `channel` out"
    if sent.state == "withdrawn":
        return f"{sent.by!r} has withdrawn it in the console"
    return None


def answered(connection: Connection, claim: Claimed, outcome: Decided, refused: str) -> None:
    """Record in the console's outbox what has become of the decision, in the transaction that decides: no later than that."""
    if claim.decision.channel == CHANNEL and claim.decision.nonce:
        state: Literal["confirmed", "refused"] = "refused" if refused else "confirmed"
        decision_outbox.settle(connection, claim.decision.nonce, state, refused or outcome.reason)
