"""Model requests and replies, in a form that fits every provider.

Nothing here enters workflow history: conversations live in the ledger. `providers/` translates these shapes to wire formats
and back.
"""

from datetime import timedelta
from typing import Literal

from pydantic import Field, JsonValue

from contracts.base import Contract, is_none
from contracts.endpoints import CallOptions

StopReason = Literal["end", "tools", "length", "refusal"]
"""Why the model stopped: it finished, wants tools run, hit the output limit, or declined to answer."""


class ToolSpec(Contract):
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: dict[str, JsonValue] = Field(description="JSON Schema of the arguments, objects closed")


class ToolCall(Contract):
    """One tool call in a reply. `call_id` is the provider's and only serves to answer the call; it is never used as a key."""

    call_id: str
    name: str
    arguments: JsonValue = Field(description="decoded arguments; the raw text where it was not JSON")
    problem: str | None = Field(default=None, description="why the arguments could not be decoded")


class ToolAnswer(Contract):
    """The answer to one tool call, as it goes back to the model."""

    call_id: str
    name: str
    text: str
    is_error: bool = False


class UserMessage(Contract):
    """Text from Baton: the task, or what has to be repaired."""

    kind: Literal["user"] = "user"
    text: str


class AssistantMessage(Contract):
    """An earlier reply. `native` is the provider's own form of it, echoed only to the provider and model that made it.

    `model` is the name under which it was asked; the same one may answer under others.
    """

    kind: Literal["assistant"] = "assistant"
    text: str
    calls: tuple[ToolCall, ...] = ()
    provider: str = ""
    model: str = ""
    native: JsonValue = None

    def is_of(self, provider: str, model: str) -> bool:
        """Whether this model made it: reasoning is signed, and no other model takes it."""
        return (self.provider, self.model) == (provider, model)


class ToolMessage(Contract):
    """The answers to all tool calls of one reply, in the order of the calls."""

    kind: Literal["tools"] = "tools"
    answers: tuple[ToolAnswer, ...]


Message = UserMessage | AssistantMessage | ToolMessage


class ModelRequest(Contract):
    """One call of a model."""

    key: str = Field(description="the call's idempotency key; also sent to providers that take one, for correlation")
    model: str = Field(description="the provider's own name of the model")
    agent: str
    occurrence: int = Field(ge=1, description="number of this agent's step within the run, from 1")
    turn: int = Field(ge=0, description="number of replies in this conversation so far")
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    answer_name: str = Field(description="name of the final output's schema, letters, digits and underscores")
    answer_schema: dict[str, JsonValue] = Field(description="JSON Schema of the final output, objects closed")
    max_output_tokens: int = Field(gt=0)
    timeout: timedelta = Field(description="of the whole call, connection included")
    options: CallOptions | None = Field(
        default=None, exclude_if=is_none, description="what the choice asks for beyond its model"
    )


class Usage(Contract):
    """Tokens that one call used. `input` includes cached ones, `output` includes `reasoning`, and `cache_write` includes
    `cache_write_1h`, entries kept for an hour, which cost more.
    """

    input: int = Field(default=0, ge=0)
    output: int = Field(default=0, ge=0)
    cache_read: int = Field(default=0, ge=0)
    cache_write: int = Field(default=0, ge=0)
    reasoning: int = Field(default=0, ge=0)
    cache_write_1h: int = Field(default=0, ge=0)


class StatedCost(Contract):
    """What a provider itself says that a call costs. `bill`: it is what is charged; otherwise it is compared."""

    usd_micros: int = Field(ge=0)
    bill: bool = False


class ModelReply(Contract):
    """A model's reply. `usage` is None if the provider sent none or an impossible one: settle at the reservation, flagged."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    stop: StopReason
    model: str = Field(description="the model that answered, as the provider names it")
    usage: Usage | None
    native: JsonValue = None
    request_id: str | None = None
    stated: StatedCost | None = Field(default=None, description="what the provider says that it costs", exclude_if=is_none)
