"""One request and one reply that the wire tests vary, and every provider that they are tried with."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from activities.providers.anthropic import Anthropic
from activities.providers.base import Provider
from activities.providers.openai import OpenAI
from activities.providers.openai_responses import OpenAIResponses
from contracts.conversation import ModelReply, ModelRequest, ToolCall, ToolSpec, Usage, UserMessage
from tests.children import PATIENCE
from tests.wire.server import WireServer

MADE: dict[str, Callable[[str, str], Provider]] = {"anthropic": Anthropic, "chat": OpenAI, "responses": OpenAIResponses}
"""Every provider that speaks HTTP, by the format that it speaks."""

KEY = "sk-wire-0123456789abcdef"
OWN_KEY = "tok-own-0123456789"

LONG = timedelta(seconds=PATIENCE)
"""The time limit of a call that should not meet it."""

SOON = timedelta(seconds=1)
"""That of one that should: its request has come in before, also on a loaded machine."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}},
    "required": ["title"],
    "additionalProperties": False,
}

TOOL = ToolSpec(name="read_file", description="Reads a file.", parameters=SCHEMA)

REPLY = ModelReply(
    text='{"title": "höher"}',
    stop="end",
    model="model-1",
    usage=Usage(input=100, output=20, cache_read=60, cache_write=10, reasoning=5),
)

CALLS = ModelReply(
    text="let me look",
    calls=(
        ToolCall(call_id="call_1", name="read_file", arguments={"title": "a"}),
        ToolCall(call_id="call_2", name="read_file", arguments={"title": "b"}),
    ),
    stop="tools",
    model="model-1",
    usage=Usage(input=10, output=2),
)


def ask(**changes: Any) -> ModelRequest:
    """A request with a tool and a final output, varied by field."""
    request = ModelRequest(
        key="9f/key",
        model="model-1",
        agent="writer",
        occurrence=2,
        turn=0,
        system="You write.",
        messages=(UserMessage(text="Write a title."),),
        tools=(TOOL,),
        answer_name="plan_1",
        answer_schema=SCHEMA,
        max_output_tokens=64_000,
        timeout=LONG,
    )
    return request.model_copy(update=changes)


def connect(server: WireServer, name: str, key: str = KEY) -> Provider:
    """The provider of that name against this server."""
    return MADE[name](key, server.url if name == "anthropic" else server.openai_url)
