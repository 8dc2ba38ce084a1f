"""What a person hands in at a gate `work` is held to what a model is held to, before it counts. Pure."""

import json

from contracts.base import BODY_LIMIT, canonical
from contracts.errors import ContractViolation
from contracts.gates import AdmitDecision, Claimed
from contracts.handoff import Answer
from contracts.registry import named


def unfit(request: AdmitDecision, claim: Claimed) -> str | None:
    """Why this cannot be the result of the step that the gate is about, or None. At any other gate None.

    The gate stays open, and whoever sent it can send it again.
    """
    work, said = request.gate.work, claim.decision
    if work is None or claim.verb != "answer":
        return None
    try:
        # As a model's reply is read: from JSON, with nothing coerced and no unknown field.
        answer = Answer[named(work.returns)].read_strict(json.dumps(said.made))  # type: ignore[misc]
    except ContractViolation as error:
        return f"it does not fit {work.returns}: {'; '.join(error.problems)}"
    size = len(canonical(answer.model_dump(mode="json")))
    if size > BODY_LIMIT:
        return f"it has {size} bytes and may have {BODY_LIMIT}; make it shorter"
    return None
