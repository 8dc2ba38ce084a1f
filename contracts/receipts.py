"""What a decision makes of an action that Baton was not let do."""

from contracts.actions import ActionState, Receipt
from contracts.gates import Decided
from contracts.intents import Intent

_STATES: dict[str, ActionState] = {
    "reject": "rejected",
    "request_changes": "rejected",
    "declined": "declined",
    "done": "done_by_person",
}


def receipt_of(intent: Intent, decided: Decided) -> Receipt:
    """The receipt of an action that its `action` or `draft` gate did not let Baton do; `expired` without a decision."""
    state = _STATES.get(decided.verb, "expired")
    why = f"{decided.verb} at {decided.gate}" + (f" by {decided.by}" if decided.by else "")
    said = f"{why}: {decided.note}" if decided.note else why
    done = state == "done_by_person"
    return Receipt(
        key=intent.key,
        type=intent.type,
        state=state,
        summary=intent.summary,
        reference=decided.reference if done else "",
        how="person" if decided.by else "",
        at=decided.at,
        problem="" if done else said,
        note=decided.note if done else "",
    )
