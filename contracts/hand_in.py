"""What a person hands in at a gate `work` is held to what a model's answer is held to. Pure."""

import json
import re
from typing import Any

from contracts.base import BODY_LIMIT, canonical
from contracts.errors import ContractViolation
from contracts.handoff import Answer
from contracts.registry import named

PATCH_LIMIT = 1024 * 1024
"""Most bytes of a patch that a person hands in."""

_STORED = re.compile(r"artifact:([0-9a-f]{64})")


def naming(digest: str) -> str:
    """What stands in a message in place of a patch that is stored under this digest."""
    return f"artifact:{digest}"


def digest_in(patch: str) -> str | None:
    """The digest of the stored patch that this names; None if it is a patch itself."""
    found = _STORED.fullmatch(patch)
    return None if found is None else found[1]


def problem_with(returns: str, made: Any) -> str:
    """Why this is no answer with a body of this contract, each wrong field by name; "" where it is one."""
    try:
        # As a model's reply is read: from JSON, with nothing coerced and no unknown field.
        answer = Answer[named(returns)].read_strict(json.dumps(made))  # type: ignore[misc]
    except ContractViolation as error:
        return f"it does not fit {returns}: {'; '.join(error.problems)}"
    size = len(canonical(answer.model_dump(mode="json")))
    return f"it has {size} bytes and may have {BODY_LIMIT}; make it shorter" if size > BODY_LIMIT else ""
