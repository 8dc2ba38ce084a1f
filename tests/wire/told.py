"""What wire tests say and look for: a conversation after a reply, and the calls and answers in a request."""

import json
from typing import Any

import pytest

from activities.providers.base import Provider, ProviderError
from contracts.conversation import AssistantMessage, ModelReply, ToolAnswer, ToolMessage, Usage
from tests.wire.samples import ask, connect
from tests.wire.server import Play, WireServer

COUNTED = Usage(input=1200, output=90)
"""The usage of every reply in `vendors`."""


async def asked(name: str, body: Any, server: WireServer, **changes: Any) -> ModelReply:
    """What the provider of this format makes of a body."""
    provider = connect(server, name)
    server.play(body if isinstance(body, Play) else Play(body))
    try:
        return await provider.complete(ask(**changes))
    finally:
        await provider.close()


def earlier(reply: ModelReply, provider: Provider, model: str = "model-1") -> AssistantMessage:
    """The reply as a message of the conversation."""
    return AssistantMessage(text=reply.text, calls=reply.calls, provider=provider.name, model=model, native=reply.native)


def answers(reply: ModelReply) -> ToolMessage:
    """An answer to each of its calls."""
    return ToolMessage(answers=tuple(ToolAnswer(call_id=one.call_id, name=one.name, text="x") for one in reply.calls))


def calls_sent(body: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """The calls in a request of any format: id, name and arguments, which have to be an object."""
    found = []
    for one in body.get("messages", []) if "messages" in body else body["input"]:
        found += [
            (use["id"], use["function"]["name"], json.loads(use["function"]["arguments"])) for use in one.get("tool_calls", [])
        ]
        if one.get("type") == "function_call":
            found.append((one["call_id"], one["name"], json.loads(one["arguments"])))
        blocks = one["content"] if isinstance(one.get("content"), list) and one.get("type") in (None, "message") else []
        found += [(use["id"], use["name"], use["input"]) for use in blocks if use["type"] == "tool_use"]
    assert all(isinstance(given, dict) for _, _, given in found)
    return found


def call_sent(body: dict[str, Any]) -> tuple[str, str, Any]:
    """The only call in a request."""
    (one,) = calls_sent(body)
    return one


def answer_id(body: dict[str, Any]) -> str:
    """The id that the last answer in a request names."""
    last = (body.get("messages") or body["input"])[-1]
    return str(last.get("tool_call_id") or last.get("call_id") or last["content"][0]["tool_use_id"])


async def refused(provider: Provider, **changes: Any) -> ProviderError:
    """The error of a call, which has one."""
    with pytest.raises(ProviderError) as caught:
        await provider.complete(ask(**changes))
    return caught.value
