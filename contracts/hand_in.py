"""What a person hands in at a gate `work` is held to what a model's answer is held to. Pure."""

import json
from typing import Any

from contracts.base import BODY_LIMIT, canonical
from contracts.errors import ContractViolation
from contracts.handoff import Answer
from contracts.registry import named


def problem_with(returns: str, made: Any) -> str:
    """Why this is no answer with a body of this contract, each wrong field by name; "" where it is one."""
    try:
        # As a model's reply is read: from JSON, with nothing coerced and no unknown field.
        answer = Answer[named(returns)].read_strict(json.dumps(made))  # type: ignore[misc]
    except ContractViolation as error:
        return f"it does not fit {returns}: {'; '.join(error.problems)}"
    size = len(canonical(answer.model_dump(mode="json")))
    return f"it has {size} bytes and may have {BODY_LIMIT}; make it shorter" if size > BODY_LIMIT else ""
