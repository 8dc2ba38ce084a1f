"""What the Anthropic provider sends, and what it makes of each reply."""

from typing import Any

import pytest

from activities.providers.anthropic import Anthropic
from activities.providers.base import ProviderError
from contracts.conversation import (
    AssistantMessage,
    ModelReply,
    StopReason,
    ToolAnswer,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from tests.wire.samples import CALLS, KEY, REPLY, SCHEMA, ask
from tests.wire.server import Play, WireServer

ANSWERS = ToolMessage(
    answers=(
        ToolAnswer(call_id="call_1", name="read_file", text="one"),
        ToolAnswer(call_id="call_2", name="read_file", text="gone", is_error=True),
    )
)

TEXT = {"type": "text", "text": "hm"}
USE = {"type": "tool_use", "id": "call_1", "name": "read_file", "input": {"title": "a"}}


async def test_one_request_has_everything(server: WireServer, anthropic: Anthropic) -> None:
    """Model, limit, system, tools and the final output's schema go out in one request, with correlation headers."""
    server.play(REPLY)
    await anthropic.complete(ask())
    (seen,) = server.requests
    assert (seen.method, seen.path) == ("POST", "/v1/messages")
    assert seen.body == {
        "model": "model-1",
        "max_tokens": 64_000,
        "system": "You write.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Write a title."}]}],
        "tools": [{"name": "read_file", "description": "Reads a file.", "input_schema": SCHEMA, "strict": True}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }
    wanted = {"x-request-key": "9f/key", "x-baton-agent": "writer", "x-baton-occurrence": "2", "authorization": f"Bearer {KEY}"}
    assert wanted.items() <= seen.headers.items()


async def test_without_tools_and_system_neither_is_sent(server: WireServer, anthropic: Anthropic) -> None:
    """Empty parts are left out: the endpoint refuses empty ones."""
    server.play(REPLY)
    await anthropic.complete(ask(tools=(), system=""))
    assert {"tools", "system"} & server.requests[0].body.keys() == set()


async def test_a_reply_comes_back_whole(server: WireServer, anthropic: Anthropic) -> None:
    """Text, stop, model, request id and usage arrive; cached tokens are added to the input count."""
    server.play(REPLY)
    reply = await anthropic.complete(ask())
    assert reply.model_copy(update={"native": None, "request_id": None}) == REPLY
    assert reply.request_id == "req_1"


async def test_calls_come_back_and_are_echoed_as_they_came(server: WireServer, anthropic: Anthropic) -> None:
    """A reply of this provider is echoed in its native form, with all tool results in one message after it."""
    content = [{"type": "thinking", "thinking": "…", "signature": "s"}, TEXT | {"citations": None}, USE, USE | {"id": "call_2"}]
    server.play(Play(CALLS, change={"content": content}), REPLY)
    reply = await anthropic.complete(ask())
    assert [call.call_id for call in reply.calls] == ["call_1", "call_2"]
    assert reply.stop == "tools"
    earlier = AssistantMessage(text=reply.text, calls=reply.calls, provider="anthropic", model="model-1", native=reply.native)
    await anthropic.complete(ask(messages=(UserMessage(text="go"), earlier, ANSWERS, UserMessage(text="now answer"))))
    messages = server.requests[1].body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == [content[0], TEXT, USE, USE | {"id": "call_2"}]
    assert messages[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": "one", "is_error": False},
        {"type": "tool_result", "tool_use_id": "call_2", "content": "gone", "is_error": True},
        {"type": "text", "text": "now answer"},
    ]


async def test_another_providers_reply_is_rebuilt(server: WireServer, anthropic: Anthropic) -> None:
    """A foreign native form is never sent: text and calls are built anew, with ids and arguments this format takes."""
    calls = (
        ToolCall(call_id="fn:1", name="read_file", arguments={"title": "a"}),
        ToolCall(call_id="call_2", name="read_file", arguments="{oops", problem="not JSON"),
    )
    foreign = AssistantMessage(text="", calls=calls, provider="openai", native={"role": "assistant", "content": "secret"})
    answers = ToolMessage(answers=tuple(ToolAnswer(call_id=call.call_id, name=call.name, text="x") for call in calls))
    silent = AssistantMessage(text=" ", provider="anthropic", model="model-1", native=[{"type": "text", "text": " "}])
    server.play(REPLY)
    await anthropic.complete(ask(messages=(UserMessage(text="go"), foreign, answers, silent, UserMessage(text="well?"))))
    messages = server.requests[0].body["messages"]
    made = messages[1]["content"][0]["id"]
    assert made.isalnum()
    assert messages[1]["content"] == [
        {"type": "tool_use", "id": made, "name": "read_file", "input": {"title": "a"}},
        {"type": "tool_use", "id": "call_2", "name": "read_file", "input": {"unreadable": "{oops"}},
    ]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == [made, "call_2"]
    assert messages[3]["content"] == [{"type": "text", "text": "(no text)"}]


STOPS: list[tuple[str, list[Any], StopReason]] = [
    ("end_turn", [TEXT], "end"),
    ("stop_sequence", [TEXT], "end"),
    ("end_turn", [], "end"),
    ("end_turn", [USE], "tools"),
    ("tool_use", [USE], "tools"),
    ("max_tokens", [TEXT, USE], "length"),
    ("model_context_window_exceeded", [TEXT], "length"),
    ("pause_turn", [TEXT], "length"),
    ("refusal", [], "refusal"),
    ("refusal", [TEXT, USE], "refusal"),
]


@pytest.mark.parametrize(("said", "content", "stop"), STOPS)
async def test_each_stop_has_one_meaning(
    server: WireServer, anthropic: Anthropic, said: str, content: list[Any], stop: StopReason
) -> None:
    """Every known stop reason maps to one of four; a stopped reply offers no calls to run and nothing to echo."""
    server.play(Play(REPLY, change={"stop_reason": said, "content": content}))
    reply = await anthropic.complete(ask())
    assert reply.stop == stop
    assert bool(reply.calls) == (stop == "tools")
    if stop in ("length", "refusal"):
        assert reply.native is None


DRIFTS: list[dict[str, Any]] = [
    {"content": ...},
    {"content": 3},
    {"content": {"type": "text"}},
    {"content": [{"type": "text", "text": 3}]},
    {"role": "user"},
    {"type": "ping"},
]


@pytest.mark.parametrize("change", DRIFTS, ids=str)
async def test_what_is_not_understood_is_not_used(server: WireServer, anthropic: Anthropic, change: dict[str, Any]) -> None:
    """What holds no message of the model is drift after one request, and the text names the field."""
    server.play(Play(REPLY, change=change))
    with pytest.raises(ProviderError, match="the reply") as caught:
        await anthropic.complete(ask())
    assert (caught.value.kind, len(server.requests)) == ("drift", 1)


async def test_arguments_that_are_no_object_are_a_problem_of_the_call(server: WireServer, anthropic: Anthropic) -> None:
    """A call whose arguments are not an object is kept, marked, for the model to repair."""
    server.play(Play(CALLS, change={"content": [USE | {"input": "{oops"}]}))
    (call,) = (await anthropic.complete(ask())).calls
    assert call.arguments == "{oops"
    assert (call.problem or "").startswith("the arguments are not JSON")


KEPT = {"cache_creation": {"ephemeral_1h_input_tokens": 5, "ephemeral_5m_input_tokens": 3}}

USAGES: list[tuple[Any, Usage | None]] = [
    (..., None),
    (None, None),
    ("12", None),
    ({}, None),
    ({"input_tokens": 1}, None),
    ({"input_tokens": -1, "output_tokens": 1}, None),
    ({"input_tokens": "1", "output_tokens": 1}, None),
    ({"input_tokens": True, "output_tokens": 1}, None),
    ({"input_tokens": 1.0, "output_tokens": 1}, None),
    ({"input_tokens": 10**30, "output_tokens": 1}, None),
    ({"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": -1}, None),
    (
        {"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 2}},
        Usage(input=1, output=3, reasoning=2),
    ),
    ({"input_tokens": 0, "output_tokens": 0}, None),
    ({"input_tokens": 0, "output_tokens": 2}, None),
    ({"input_tokens": 1, "output_tokens": 0}, None),
    ({"input_tokens": 0, "output_tokens": 2, "cache_read_input_tokens": 4}, Usage(input=4, output=2, cache_read=4)),
    ({"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": None}, Usage(input=1, output=2)),
    (
        {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 8},
        Usage(input=13, output=2, cache_read=4, cache_write=8),
    ),
    (
        {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 8} | KEPT,
        Usage(input=9, output=2, cache_write=8, cache_write_1h=5),
    ),
    ({"input_tokens": 1, "output_tokens": 2} | KEPT, Usage(input=9, output=2, cache_write=8, cache_write_1h=5)),
    ({"input_tokens": 1, "output_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": "5"}}, None),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES)
async def test_usage_is_counted_or_none(server: WireServer, anthropic: Anthropic, usage: Any, expected: Usage | None) -> None:
    """Missing, negative or mistyped usage is none at all, never a wrong number; the reply itself still stands."""
    server.play(Play(REPLY, change={"usage": usage}))
    reply: ModelReply = await anthropic.complete(ask())
    assert (reply.usage, reply.text) == (expected, REPLY.text)
