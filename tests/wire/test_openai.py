"""What the OpenAI provider sends, and what it makes of each reply."""

import json
from typing import Any

import pytest

from activities.providers.base import ProviderError
from activities.providers.openai import OpenAI
from contracts.conversation import AssistantMessage, StopReason, ToolAnswer, ToolCall, ToolMessage, Usage, UserMessage
from contracts.endpoints import EndpointSetting
from tests.wire.samples import CALLS, KEY, REPLY, SCHEMA, ask
from tests.wire.server import Play, WireServer

CALL = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": '{"title": "a"}'}}


def choice(finish: Any = "stop", **message: Any) -> dict[str, Any]:
    """The change that puts one other choice into a reply."""
    return {"choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant"} | message}]}


def call_with(arguments: str) -> dict[str, Any]:
    """A tool call with other arguments."""
    return CALL | {"function": {"name": "read_file", "arguments": arguments}}


async def test_one_request_has_everything(server: WireServer, openai: OpenAI) -> None:
    """Model, limit, system, tools and the final output's schema go out in one request, with correlation headers."""
    server.play(REPLY)
    await openai.complete(ask())
    (seen,) = server.requests
    tool = {"name": "read_file", "description": "Reads a file.", "parameters": SCHEMA, "strict": True}
    assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
    assert seen.body == {
        "model": "model-1",
        "max_completion_tokens": 64_000,
        "messages": [{"role": "system", "content": "You write."}, {"role": "user", "content": "Write a title."}],
        "tools": [{"type": "function", "function": tool}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "plan_1", "schema": SCHEMA, "strict": True},
        },
    }
    wanted = {"x-request-key": "9f/key", "x-client-request-id": "9f/key", "x-baton-agent": "writer", "x-baton-occurrence": "2"}
    assert (wanted | {"authorization": f"Bearer {KEY}"}).items() <= seen.headers.items()


async def test_an_older_server_gets_the_older_limit(server: WireServer) -> None:
    """A server of one's own gets the limit under its old name only, and the endpoint keeps its own name."""
    provider = OpenAI(KEY, server.openai_url, name="local", setting=EndpointSetting())
    server.play(REPLY, Play(status=500, error="no"))
    await provider.complete(ask(tools=(), system=""))
    with pytest.raises(ProviderError, match=rf"^local:model-1 at {server.openai_url}/chat/completions: "):
        await provider.complete(ask())
    await provider.close()
    body = server.requests[0].body
    assert body["max_tokens"] == 64_000
    assert {"max_completion_tokens", "tools"} & body.keys() == set()
    assert [message["role"] for message in body["messages"]] == ["user"]


async def test_openai_itself_is_told_which_cache(server: WireServer) -> None:
    """With `prompt_cache` each turn of a conversation names the same cache, in the 64 characters that are allowed."""
    provider = OpenAI(KEY, server.openai_url, prompt_cache=True)
    server.play(REPLY, REPLY)
    first = UserMessage(text="Write a title.")
    await provider.complete(ask(agent="a" * 40, messages=(first,)))
    await provider.complete(ask(agent="a" * 40, messages=(first, AssistantMessage(text="x"), UserMessage(text="again"))))
    await provider.close()
    one, other = (seen.body["prompt_cache_key"] for seen in server.requests)
    assert one == other
    assert len(one) <= 64


async def test_a_reply_comes_back_whole(server: WireServer, openai: OpenAI) -> None:
    """Text, stop, model, request id and usage arrive; the input count has its cached tokens already."""
    server.play(REPLY)
    reply = await openai.complete(ask())
    assert reply.model_copy(update={"native": None, "request_id": None}) == REPLY
    assert reply.request_id == "req_1"


async def test_calls_come_back_and_are_echoed_as_they_came(server: WireServer, openai: OpenAI) -> None:
    """A reply of this provider is echoed with all that was in its calls; every answer follows as a message of its own."""
    hidden = CALL | {"extra_content": {"signature": "s"}}
    server.play(Play(CALLS, change=choice("tool_calls", content=None, refusal=None, tool_calls=[hidden], audio=None)), REPLY)
    reply = await openai.complete(ask())
    assert (reply.stop, [call.arguments for call in reply.calls]) == ("tools", [{"title": "a"}])
    earlier = AssistantMessage(text=reply.text, calls=reply.calls, provider="openai", model="model-1", native=reply.native)
    answers = ToolMessage(
        answers=(
            ToolAnswer(call_id="call_1", name="read_file", text="one"),
            ToolAnswer(call_id="call_2", name="read_file", text="gone", is_error=True),
        )
    )
    await openai.complete(ask(system="", messages=(UserMessage(text="go"), earlier, answers)))
    assert server.requests[1].body["messages"][1:] == [
        {"role": "assistant", "tool_calls": [hidden]},
        {"role": "tool", "tool_call_id": "call_1", "content": "one"},
        {"role": "tool", "tool_call_id": "call_2", "content": "[this call failed] gone"},
    ]


async def test_another_providers_reply_is_rebuilt(server: WireServer, openai: OpenAI) -> None:
    """A foreign native form is never sent, nor that of another endpoint of the same kind: both are built anew."""
    calls = (
        ToolCall(call_id="1", name="read_file", arguments={"title": "é"}),
        ToolCall(call_id="2", name="read_file", arguments="{oops", problem="not JSON"),
    )
    foreign = AssistantMessage(text="", calls=calls, provider="anthropic", native=[{"type": "text", "text": "secret"}])
    other = AssistantMessage(text="", provider="local", native={"role": "assistant", "content": "secret"})
    server.play(REPLY)
    await openai.complete(ask(system="", messages=(foreign, other)))
    first, second = server.requests[0].body["messages"]
    assert first["content"] is None
    sent = [json.loads(call["function"]["arguments"]) for call in first["tool_calls"]]
    assert sent == [{"title": "é"}, {"unreadable": "{oops"}]
    assert second == {"role": "assistant", "content": "(no text)"}


STOPS: list[tuple[dict[str, Any], StopReason]] = [
    (choice("stop", content="x"), "end"),
    (choice("stop", content=None), "end"),
    (choice("stop", content=None, tool_calls=[CALL]), "tools"),
    (choice("tool_calls", tool_calls=[CALL]), "tools"),
    (choice("length", content="x", tool_calls=[CALL]), "length"),
    (choice("content_filter", content=""), "refusal"),
    (choice("stop", content=None, refusal="I cannot"), "refusal"),
]


@pytest.mark.parametrize(("change", "stop"), STOPS)
async def test_each_stop_has_one_meaning(server: WireServer, openai: OpenAI, change: dict[str, Any], stop: StopReason) -> None:
    """Every known finish maps to one of four; a stopped reply offers no calls to run and nothing to echo."""
    server.play(Play(REPLY, change=change))
    reply = await openai.complete(ask())
    assert reply.stop == stop
    assert bool(reply.calls) == (stop == "tools")
    if stop in ("length", "refusal"):
        assert reply.native is None


DRIFTS: list[dict[str, Any]] = [
    {"choices": ...},
    {"choices": []},
    {"choices": None},
    {"choices": ["x"]},
    {"choices": [{"finish_reason": "stop", "message": "x"}]},
    choice("stop", content="x", role="user"),
    choice("tool_calls", tool_calls="read_file"),
]


@pytest.mark.parametrize("change", DRIFTS, ids=str)
async def test_what_is_not_understood_is_not_used(server: WireServer, openai: OpenAI, change: dict[str, Any]) -> None:
    """What holds no message of the model is drift after one request, and the text names the field."""
    server.play(Play(REPLY, change=change))
    with pytest.raises(ProviderError, match="the reply") as caught:
        await openai.complete(ask())
    assert (caught.value.kind, len(server.requests)) == ("drift", 1)


ARGUMENTS: list[tuple[str, Any, bool]] = [
    ('{"title": "a"}', {"title": "a"}, True),
    ("", {}, True),
    ("{oops", "{oops", False),
    ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}', False),
    ('{"a": NaN}', '{"a": NaN}', False),
    ('{"a": "\\ud800"}', '{"a": "\\ud800"}', False),
    ("[1]", [1], False),
    ('{"a":' * 100 + "1" + "}" * 100, '{"a":' * 100 + "1" + "}" * 100, False),
]


@pytest.mark.parametrize(("raw", "arguments", "good"), ARGUMENTS)
async def test_bad_arguments_are_a_problem_of_the_call(
    server: WireServer, openai: OpenAI, raw: str, arguments: Any, good: bool
) -> None:
    """Arguments that are not one clean JSON object are kept as they came and marked, for the model to repair."""
    server.play(Play(REPLY, change=choice("tool_calls", tool_calls=[call_with(raw)])))
    (call,) = (await openai.complete(ask())).calls
    assert (call.arguments, call.problem is None) == (arguments, good)


USAGES: list[tuple[Any, Usage | None]] = [
    (..., None),
    (None, None),
    ("12", None),
    ({"prompt_tokens": 1}, None),
    ({"prompt_tokens": -1, "completion_tokens": 1}, None),
    ({"prompt_tokens": "1", "completion_tokens": 1}, None),
    ({"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}, None),
    (
        {"prompt_tokens": 1, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}},
        Usage(input=1, output=3, reasoning=2),
    ),
    ({"prompt_tokens": 0, "completion_tokens": 0}, None),
    ({"prompt_tokens": 0, "completion_tokens": 1}, None),
    ({"prompt_tokens": 1, "completion_tokens": 0}, None),
    ({"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(input=1, output=2)),
    (
        {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
        Usage(input=9, output=2, cache_read=4),
    ),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES)
async def test_usage_is_counted_or_none(server: WireServer, openai: OpenAI, usage: Any, expected: Usage | None) -> None:
    """Missing, negative or mistyped usage is none at all, never a wrong number; the reply itself still stands."""
    server.play(Play(REPLY, change={"usage": usage}))
    reply = await openai.complete(ask())
    assert (reply.usage, reply.text) == (expected, REPLY.text)
