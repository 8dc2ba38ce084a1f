"""What the arguments of every outward action have in common: a declared target, and the event that they stand for."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from contracts.base import Contract, Line, digest_of
from contracts.ids import business_key
from contracts.step_resources import Name

Event = Annotated[Line, Field(min_length=1, max_length=200)]
"""The logical event in the world, such as `refund/ticket-7`: the same in every run that means it."""

TEXT_LIMIT = 48_000
"""Most characters of a text in an action's arguments: with the rest it fits into a contract's body."""


class Effect(Contract):
    """Arguments that name a table `[targets.NAME]` of the worker's settings. No address is ever among them."""

    target: Name = Field(description="which [targets.NAME] of the worker's baton.toml")

    def summary(self) -> str:
        """The action in one line, for a person who knows the targets by name."""
        return f"act on {self.target}"


def event_key(adapter: str, target: str, event: str) -> str:
    """The business key of an event at a target."""
    return business_key(adapter, target, event)


def whole(adapter: str, effect: Contract) -> str:
    """A digest of all fields: for arguments of which each identifies the action."""
    return digest_of(adapter, effect.stored())


def as_json(value: Any) -> Any:
    """JSON text for an object or a list that a person wrote as such; anything else unchanged."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return value


JsonText = Annotated[str, BeforeValidator(as_json)]
"""Text that may also be written as a JSON object or list: the bytes that are sent are those that are approved."""
