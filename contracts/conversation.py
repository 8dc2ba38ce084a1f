"""What a model is asked and what it replies, in words that fit every provider.

Nothing here enters workflow history: conversations live in the ledger. `providers/` translate these shapes to a wire
format and back.
"""

from datetime import timedelta
from typing import Literal

from pydantic import Field, JsonValue

from contracts.base import Contract

StopReason = Literal["end", "tools", "length", "refusal"]
"""Why the model stopped: said all it wanted, wants tools run, ran into the output limit, or declined to answer."""


class ToolSpec(Contract):
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: dict[str, JsonValue] = Field(description="JSON Schema of the arguments, objects closed")


class ToolCall(Contract):
    """One call in a reply. `call_id` is the provider's own and only good for answering it; it is never a key."""

    call_id: str
    name: str
    arguments: JsonValue = Field(description="decoded arguments; the raw text where it was not JSON")
    problem: str | None = Field(default=None, description="why the arguments could not be decoded")


class ToolAnswer(Contract):
    """What goes back to the model for one call."""

    call_id: str
    name: str
    text: str
    is_error: bool = False


class UserMessage(Contract):
    """Text from the system: the task, or what has to be repaired."""

    kind: Literal["user"] = "user"
    text: str


class AssistantMessage(Contract):
    """An earlier reply. `native` is the provider's own form of it and is echoed only to the provider that made it."""

    kind: Literal["assistant"] = "assistant"
    text: str
    calls: tuple[ToolCall, ...] = ()
    provider: str = ""
    native: JsonValue = None


class ToolMessage(Contract):
    """All the answers to one reply's calls, in the order of the calls."""

    kind: Literal["tools"] = "tools"
    answers: tuple[ToolAnswer, ...]


Message = UserMessage | AssistantMessage | ToolMessage


class ModelRequest(Contract):
    """One call of a model."""

    key: str = Field(description="the call's key; sent along where a provider takes one, for correlation")
    model: str = Field(description="the provider's own name of the model")
    agent: str
    occurrence: int = Field(ge=1, description="the how-manieth step of this agent in this run this is")
    turn: int = Field(ge=0, description="how many replies this conversation already has")
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    answer_name: str = Field(description="name of the final output's schema, letters, digits and underscores")
    answer_schema: dict[str, JsonValue] = Field(description="JSON Schema of the final output, objects closed")
    max_output_tokens: int = Field(gt=0)
    timeout: timedelta = Field(description="of the whole call, connection included")


class Usage(Contract):
    """Tokens that one call used. `input` includes cached ones; `reasoning` is a part of `output`, and `cache_write_1h` of
    `cache_write`: what was kept for an hour, which costs more.
    """

    input: int = Field(default=0, ge=0)
    output: int = Field(default=0, ge=0)
    cache_read: int = Field(default=0, ge=0)
    cache_write: int = Field(default=0, ge=0)
    reasoning: int = Field(default=0, ge=0)
    cache_write_1h: int = Field(default=0, ge=0)


class ModelReply(Contract):
    """What a model said. `usage` is None when the provider sent none or nonsense: settle at the reservation, flagged."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    stop: StopReason
    model: str = Field(description="the model that answered, as the provider names it")
    usage: Usage | None
    native: JsonValue = None
    request_id: str | None = None
