"""What the Responses provider sends, and what it makes of each reply."""

from typing import Any

import pytest

from activities.providers.base import ProviderError
from activities.providers.openai_responses import OpenAIResponses
from contracts.conversation import AssistantMessage, StopReason, ToolAnswer, ToolCall, ToolMessage, Usage, UserMessage
from tests.wire.samples import CALLS, KEY, REPLY, SCHEMA, ask
from tests.wire.server import Play, WireServer

CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "read_file", "arguments": '{"title": "a"}'}
SEALED = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "sealed"}
HALF = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}


def text(said: Any, **more: Any) -> dict[str, Any]:
    """A message item."""
    part = {"type": "output_text", "text": said, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]} | more


def output(*items: Any, **more: Any) -> dict[str, Any]:
    """The change that puts other items into a reply."""
    return {"output": list(items)} | more


async def test_one_request_has_everything(server: WireServer, responses: OpenAIResponses) -> None:
    """Model, limit, instructions, tools and schema go out in one request that asks to store nothing."""
    server.play(REPLY)
    await responses.complete(ask())
    (seen,) = server.requests
    assert (seen.method, seen.path) == ("POST", "/v1/responses")
    cache = seen.body.pop("prompt_cache_key")
    assert cache.startswith("writer-")
    assert len(cache) <= 64
    assert seen.body == {
        "model": "model-1",
        "max_output_tokens": 64_000,
        "store": False,
        "instructions": "You write.",
        "input": [{"role": "user", "content": "Write a title."}],
        "tools": [
            {"type": "function", "name": "read_file", "description": "Reads a file.", "parameters": SCHEMA, "strict": True}
        ],
        "text": {"format": {"type": "json_schema", "name": "plan_1", "schema": SCHEMA, "strict": True}},
    }
    wanted = {"x-request-key": "9f/key", "x-client-request-id": "9f/key", "x-baton-agent": "writer", "x-baton-occurrence": "2"}
    assert (wanted | {"authorization": f"Bearer {KEY}"}).items() <= seen.headers.items()


async def test_empty_parts_are_left_out(server: WireServer) -> None:
    """Without tools, system text and caching none of them is sent, and the endpoint keeps its own name."""
    provider = OpenAIResponses(KEY, server.openai_url, name="local", prompt_cache=False)
    server.play(REPLY, Play(status=500, error="no"))
    await provider.complete(ask(tools=(), system=""))
    with pytest.raises(ProviderError, match=rf"^local:model-1 at {server.openai_url}/responses: "):
        await provider.complete(ask())
    await provider.close()
    assert {"tools", "instructions", "prompt_cache_key"} & server.requests[0].body.keys() == set()


async def test_a_reply_comes_back_whole(server: WireServer, responses: OpenAIResponses) -> None:
    """Text, stop, model, request id and usage arrive; the input count has its cached tokens already."""
    server.play(REPLY)
    reply = await responses.complete(ask())
    assert reply.model_copy(update={"native": None, "request_id": None}) == REPLY
    assert reply.request_id == "req_1"


async def test_reasoning_and_calls_are_echoed_as_they_came(server: WireServer, responses: OpenAIResponses) -> None:
    """The next request carries sealed reasoning, text and calls as they were, and every answer as an item of its own."""
    said = text("let me look", phase="commentary")
    server.play(Play(CALLS, change=output(SEALED | {"content": None}, said, CALL, CALL | {"call_id": "call_2"})), REPLY)
    reply = await responses.complete(ask())
    assert (reply.stop, reply.text, [call.arguments for call in reply.calls]) == ("tools", "let me look", [{"title": "a"}] * 2)
    earlier = AssistantMessage(text=reply.text, calls=reply.calls, provider="openai", model="model-1", native=reply.native)
    answers = ToolMessage(
        answers=(
            ToolAnswer(call_id="call_1", name="read_file", text="one"),
            ToolAnswer(call_id="call_2", name="read_file", text="gone", is_error=True),
        )
    )
    await responses.complete(ask(messages=(UserMessage(text="go"), earlier, answers)))
    assert server.requests[1].body["input"][1:] == [
        SEALED,
        said,
        CALL,
        CALL | {"call_id": "call_2"},
        {"type": "function_call_output", "call_id": "call_1", "output": "one"},
        {"type": "function_call_output", "call_id": "call_2", "output": "[this call failed] gone"},
    ]


async def test_reasoning_that_is_not_sealed_is_left_out(server: WireServer, responses: OpenAIResponses) -> None:
    """Nothing is stored there: reasoning without content cannot be looked up, nor an id that belongs to it."""
    server.play(Play(CALLS, change=output(SEALED | {"encrypted_content": None}, CALL)), REPLY)
    reply = await responses.complete(ask())
    earlier = AssistantMessage(text=reply.text, calls=reply.calls, provider="openai", model="model-1", native=reply.native)
    await responses.complete(ask(messages=(UserMessage(text="go"), earlier)))
    assert server.requests[1].body["input"][1:] == [{key: value for key, value in CALL.items() if key != "id"}]


async def test_another_providers_reply_is_rebuilt(server: WireServer, responses: OpenAIResponses) -> None:
    """A native form of another provider, endpoint or format is never sent: text and calls are built anew."""
    calls = (
        ToolCall(call_id="1", name="read_file", arguments={"title": "é"}),
        ToolCall(call_id="2", name="read_file", arguments="{oops", problem="not JSON"),
    )
    foreign = AssistantMessage(text="hm", calls=calls, provider="anthropic", native=[{"type": "text", "text": "secret"}])
    chat = AssistantMessage(text="", provider="openai", native={"role": "assistant", "content": "secret"})
    server.play(REPLY)
    await responses.complete(ask(messages=(foreign, chat)))
    assert server.requests[0].body["input"] == [
        {"role": "assistant", "content": "hm"},
        {"type": "function_call", "call_id": "1", "name": "read_file", "arguments": '{"title": "é"}'},
        {"type": "function_call", "call_id": "2", "name": "read_file", "arguments": '{"unreadable": "{oops"}'},
        {"role": "assistant", "content": "(no text)"},
    ]


async def test_a_conversation_keeps_its_cache_key(server: WireServer, responses: OpenAIResponses) -> None:
    """Each turn of a conversation, and its retry, goes to the same cache; another task and another agent do not."""
    later = (UserMessage(text="Write a title."), AssistantMessage(text="x"), UserMessage(text="again"))
    requests = [ask(), ask(key="other", messages=later), ask(messages=(UserMessage(text="else"),)), ask(agent="editor")]
    server.play(*[REPLY] * 4)
    for request in requests:
        await responses.complete(request)
    first, second, third, fourth = (seen.body["prompt_cache_key"] for seen in server.requests)
    assert first == second
    assert len({first, third, fourth}) == 3


STOPS: list[tuple[dict[str, Any], StopReason, str]] = [
    (output(text("x")), "end", "x"),
    (output(), "end", ""),
    (output(SEALED), "end", ""),
    (output(CALL), "tools", ""),
    (output(text("x"), CALL | {"status": "completed"}), "tools", "x"),
    (output(text("thinking", phase="commentary"), text("{}", phase="final_answer")), "end", "{}"),
    (output(text("x"), CALL | {"status": "incomplete"}, **HALF), "length", "x"),
    (output(text("x"), status="incomplete", incomplete_details=None), "length", "x"),
    (output(text("x"), status="incomplete", incomplete_details={"reason": "steered"}), "length", "x"),
    (output(text("x"), status="incomplete", incomplete_details={"reason": "content_filter"}), "refusal", "x"),
    (output(text("", content=[{"type": "refusal", "refusal": "I cannot"}]), CALL), "refusal", "I cannot"),
]


@pytest.mark.parametrize(("change", "stop", "said"), STOPS)
async def test_each_end_has_one_meaning(
    server: WireServer, responses: OpenAIResponses, change: dict[str, Any], stop: StopReason, said: str
) -> None:
    """Every known status maps to one of four stops; a stopped reply offers no calls to run and nothing to echo."""
    server.play(Play(REPLY, change=change))
    reply = await responses.complete(ask())
    assert (reply.stop, reply.text) == (stop, said)
    assert bool(reply.calls) == (stop == "tools")
    if stop in ("length", "refusal"):
        assert reply.native is None


DRIFTS: list[dict[str, Any]] = [
    {"output": ...},
    {"output": None},
    {"output": "text"},
    {"status": "queued"},
    {"status": "cancelled"},
    {"status": "failed"},
    output(text("x", role="user")),
]


@pytest.mark.parametrize("change", DRIFTS, ids=str)
async def test_what_is_not_understood_is_not_used(
    server: WireServer, responses: OpenAIResponses, change: dict[str, Any]
) -> None:
    """What holds no finished reply of the model is drift after one request, and the text names the field."""
    server.play(Play(REPLY, change=change))
    with pytest.raises(ProviderError, match="the reply") as caught:
        await responses.complete(ask())
    assert (caught.value.kind, len(server.requests)) == ("drift", 1)


FAILURES = [
    ("server_error", "retry"),
    ("rate_limit_exceeded", "retry"),
    ("invalid_prompt", "next_choice"),
    ("new", "retry"),
]


@pytest.mark.parametrize(("code", "verdict"), FAILURES)
async def test_a_failed_response_is_an_error(server: WireServer, responses: OpenAIResponses, code: str, verdict: str) -> None:
    """What fails under HTTP 200 goes through the same table as every other error."""
    server.play(Play(REPLY, change={"status": "failed", "error": {"code": code, "message": "it broke"}}))
    with pytest.raises(ProviderError, match="it broke") as caught:
        await responses.complete(ask())
    assert caught.value.recovery == verdict
    assert caught.value.maybe_charged


async def test_a_failed_response_without_usage_costs_nothing(server: WireServer, responses: OpenAIResponses) -> None:
    """Only what names a usage may have been billed; the rest gives its reservation back."""
    server.play(Play(REPLY, change={"status": "failed", "usage": None, "error": {"code": "server_error", "message": "no"}}))
    with pytest.raises(ProviderError) as caught:
        await responses.complete(ask())
    assert not caught.value.maybe_charged


ARGUMENTS: list[tuple[str, Any, bool]] = [
    ('{"title": "a"}', {"title": "a"}, True),
    ("", {}, True),
    ("{oops", "{oops", False),
    ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}', False),
    ("[1]", [1], False),
]


@pytest.mark.parametrize(("raw", "arguments", "good"), ARGUMENTS)
async def test_bad_arguments_are_a_problem_of_the_call(
    server: WireServer, responses: OpenAIResponses, raw: str, arguments: Any, good: bool
) -> None:
    """Arguments that are not one clean JSON object are kept as they came and marked, for the model to repair."""
    server.play(Play(REPLY, change=output(CALL | {"arguments": raw})))
    (call,) = (await responses.complete(ask())).calls
    assert (call.arguments, call.problem is None) == (arguments, good)


COUNTED = {"input_tokens": 9, "output_tokens": 4}

USAGES: list[tuple[Any, Usage | None]] = [
    (..., None),
    (None, None),
    ("12", None),
    ({"input_tokens": 1}, None),
    ({"prompt_tokens": 1, "completion_tokens": 1}, Usage(input=1, output=1)),
    (COUNTED | {"input_tokens": -1}, None),
    (COUNTED | {"input_tokens": "9"}, None),
    (COUNTED | {"input_tokens": 9.0}, None),
    (COUNTED | {"output_tokens": True}, None),
    (COUNTED | {"output_tokens": 10**30}, None),
    (COUNTED | {"input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 5}}, None),
    (COUNTED | {"output_tokens_details": {"reasoning_tokens": 5}}, Usage(input=9, output=9, reasoning=5)),
    ({"input_tokens": 0, "output_tokens": 0}, None),
    (COUNTED | {"input_tokens": 0}, None),
    (COUNTED | {"output_tokens": 0}, None),
    (COUNTED | {"input_tokens_details": None}, Usage(input=9, output=4)),
    (
        COUNTED | {"input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 4}},
        Usage(input=9, output=4, cache_read=5, cache_write=4),
    ),
    (COUNTED | {"output_tokens_details": {"reasoning_tokens": 4}}, Usage(input=9, output=4, reasoning=4)),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES)
async def test_usage_is_counted_or_none(
    server: WireServer, responses: OpenAIResponses, usage: Any, expected: Usage | None
) -> None:
    """Missing, negative, absurd or mistyped usage is none at all, never a wrong number; the reply itself still stands."""
    server.play(Play(REPLY, change={"usage": usage}))
    reply = await responses.complete(ask())
    assert (reply.usage, reply.text) == (expected, REPLY.text)
