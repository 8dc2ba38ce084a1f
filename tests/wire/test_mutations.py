"""Thousands of replies that are almost right: whatever they are, a run can go on, and is charged no less than they say."""

import gzip
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from activities.providers import anthropic, openai, openai_responses
from activities.providers.base import RECOVERIES, ProviderError
from activities.providers.encodings import decoded
from activities.turns.replies import thoughtless, unfenced
from contracts.conversation import AssistantMessage, ModelReply, ToolAnswer, ToolMessage, UserMessage
from tests.depth import count
from tests.wire.samples import KEY, ask
from tests.wire.streams import streamed
from tests.wire.told import calls_sent
from tests.wire.vendors import TEXT, call, calling, chunk, completion, events, item, message, response, said, use

EXAMPLES = count(200, soak=20_000)
"""Of each of the three formats."""

SEEDS = st.integers(0, 2**64)

RIGHT: dict[str, list[dict[str, Any]]] = {
    "chat": [
        completion({"role": "assistant", "content": TEXT, "refusal": None}),
        completion({"role": "assistant", "content": [{"type": "text", "text": TEXT}]}),
        calling(call(), call("call_2", extra_content={"google": {"thought_signature": "s"}})),
        completion({"role": "assistant", "content": "x", "reasoning_content": "hm", "tool_calls": [call()]}, "tool_calls"),
    ],
    "anthropic": [
        message([{"type": "text", "text": TEXT}]),
        message([{"type": "thinking", "thinking": "hm", "signature": "s"}, use(), use("toolu_2")], "tool_use"),
    ],
    "responses": [
        response(said()),
        response({"type": "reasoning", "id": "r", "encrypted_content": "x"}, item(), item("call_2")),
        response(said(), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    ],
}
MADE: dict[str, Any] = {
    "chat": openai.OpenAI(KEY, "http://127.0.0.1:9/v1"),
    "anthropic": anthropic.Anthropic(KEY, "http://127.0.0.1:9"),
    "responses": openai_responses.OpenAIResponses(KEY, "http://127.0.0.1:9/v1"),
}

JUNK: list[Any] = [
    *(None, "", " ", "x", "stop", "length", "error", "tool_use", "assistant", "user", "null", "{}", '{"a": ', "\ud800", "\0"),
    *(0, 1, -1, 1.5, True, 10**30, float("nan"), float("inf"), [], [None], ["x"], {}, {"type": "text"}, {"": ""}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to everything inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, one in inside for found in [(*path, key), *places(one, (*path, key))]]


def changed(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """A copy in which what lies there is changed in the thing that holds it."""
    copy = holder = json.loads(json.dumps(value))
    for step in path[:-1]:
        holder = holder[step]
    change(holder, path[-1])
    return copy


def _drop(holder: Any, key: Any) -> None:
    del holder[key]


def _twice(holder: Any, key: Any) -> None:
    if isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = [holder[key], holder[key]]


def _as_text(holder: Any, key: Any) -> None:
    holder[key] = json.dumps(holder[key])


def _decoded(holder: Any, key: Any) -> None:
    try:
        holder[key] = json.loads(holder[key])
    except (TypeError, ValueError):
        holder[key] = {"was": holder[key]}


def _renamed(holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder[f"{key}_x"] = holder.pop(key)


def _set(holder: Any, key: Any, new: Any) -> None:
    holder[key] = new


CHANGES = [_drop, _twice, _as_text, _decoded, _renamed]


def spoilt(name: str, seed: int) -> bytes:
    """A right reply with up to three changes, and perhaps something around it."""
    # One number and no strategy for each choice: that makes thousands of them cheap.
    chance = random.Random(seed)
    reply: Any = chance.choice(RIGHT[name])
    for _ in range(chance.randrange(4)):
        there = places(reply)
        if not there:
            break
        path, change = chance.choice(there), chance.choice([*CHANGES, *JUNK])
        reply = changed(reply, path, change if callable(change) else partial(_set, new=change))
    body = chance.choice(AROUND)(json.dumps(reply).encode())
    note(repr(body))
    return body


def events_in(body: bytes) -> list[Any]:
    """The events of a stream."""
    return [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: {")]


STREAMED: dict[str, list[list[Any]]] = {
    "chat": [events_in(streamed("chat", one)) for one in (RIGHT["chat"][0], RIGHT["chat"][2], RIGHT["chat"][3])],
    "anthropic": [events_in(streamed("messages", one)) for one in RIGHT["anthropic"]],
    "responses": [
        events_in(streamed("responses", one)) for one in (RIGHT["responses"][0], response(said("so"), item(), item("call_2")))
    ],
}


def spoilt_stream(name: str, seed: int) -> bytes:
    """The events of a right reply with up to three changes; some are left out, come twice or come out of order."""
    chance = random.Random(seed)
    reply: Any = chance.choice(STREAMED[name])
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(reply))
        path = (at, *chance.choice([(), *places(reply[at])]))
        change = chance.choice([*CHANGES, *JUNK])
        reply = changed(reply, path, change if callable(change) else partial(_set, new=change)) or reply
    if chance.randrange(4) == 0:
        one = chance.randrange(len(reply))
        reply = [*reply[:one], *reversed(reply[one : one + 2]), *reply[one + 2 :]]
    body = chance.choice(ENDS)(events(*reply, end=""))
    note(repr(body))
    return body


ENDS: list[Callable[[bytes], bytes]] = [
    *[lambda body: body + b"data: [DONE]\n\n"] * 3,
    lambda body: body,
    lambda body: body[: len(body) * 2 // 3],
    lambda body: body.replace(b"\n\n", b"\n"),
    lambda body: body.replace(b"data: ", b""),
    lambda body: body.replace(b'"index": 1', b'"index": 0').replace(b'"output_index": 1', b'"output_index": 0'),
    lambda body: body.replace(b'"index": ', b'"number": '),
]


def _chunked(body: bytes) -> bytes:
    """The same as events: whole, or with its first message as a piece."""
    reply = json.loads(body)
    try:
        first = reply["choices"][0]
        pieces = [
            chunk(first["message"] if isinstance(first["message"], dict) else {}),
            chunk({}, first.get("finish_reason"), usage=reply.get("usage")),
        ]
    except (LookupError, TypeError, AttributeError):
        pieces = [reply]
    return events(*pieces)


AROUND: list[Callable[[bytes], bytes]] = [
    *[lambda body: body] * 6,
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: b": waiting\n\n" + body + b"\n\n",
    lambda body: b"data: " + body + b"\n\n",
    _chunked,
    lambda body: decoded(gzip.compress(body), "gzip", 10**6),
    lambda body: body[: len(body) // 2],
    lambda body: body.replace(b"{", b'{"id": 1, "id": 2, ', 1),
    lambda body: body + body,
]


def goes_on(name: str, body: bytes) -> None:
    """What has to be true of any body whatsoever."""
    provider, request = MADE[name], ask()
    try:
        reply: ModelReply = provider.reply_in(request, body, {})
    except ProviderError as error:
        if RECOVERIES[error.kind] not in ("retry", "next_choice"):
            raise AssertionError("a fault of the call would end the run, and this one is of the reply") from error
        return
    _charged_enough(body, reply)
    again = provider.reply_in(request, body, {})
    assert again == reply == ModelReply.model_validate_json(reply.model_dump_json())
    assert unfenced(thoughtless(reply.text)) is not None
    ids = [one.call_id for one in reply.calls]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    assert bool(reply.calls) == (reply.stop == "tools")
    told = (UserMessage(text="go"), *conversation(reply, provider.name), UserMessage(text="on"))
    for model in ("model-1", "model-2"):
        sent = json.loads(json.dumps(provider._body(ask(messages=told, model=model)), allow_nan=False))
        assert len(calls_sent(sent)) == len(reply.calls)


def conversation(reply: ModelReply, provider: str) -> list[Any]:
    """The reply and what follows it."""
    earlier = AssistantMessage(text=reply.text, calls=reply.calls, provider=provider, model="model-1", native=reply.native)
    answers = tuple(ToolAnswer(call_id=one.call_id, name=one.name, text="x") for one in reply.calls)
    return [earlier, *([ToolMessage(answers=answers)] if answers else [])]


def _charged_enough(body: bytes, reply: ModelReply) -> None:
    """What is counted is no less than any total that a whole body states."""
    try:
        usage = json.loads(body)["usage"]
    except (ValueError, LookupError, TypeError):
        return
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    if reply.usage is not None and isinstance(total, int):
        assert reply.usage.input + reply.usage.output >= total


@settings(max_examples=EXAMPLES, database=None)
@given(SEEDS)
def test_any_completion_lets_the_run_go_on(seed: int) -> None:
    """A turn, a repair, a wait, the next choice or a person; no other exception, no wrong charge, no refused request."""
    goes_on("chat", spoilt("chat", seed))


@settings(max_examples=EXAMPLES, database=None)
@given(SEEDS)
def test_any_message_lets_the_run_go_on(seed: int) -> None:
    """The same in Anthropic's format."""
    goes_on("anthropic", spoilt("anthropic", seed))


@settings(max_examples=EXAMPLES, database=None)
@given(SEEDS)
def test_any_response_lets_the_run_go_on(seed: int) -> None:
    """The same in OpenAI's newer format."""
    goes_on("responses", spoilt("responses", seed))


@settings(max_examples=EXAMPLES, database=None)
@given(SEEDS)
@pytest.mark.parametrize("name", MADE)
def test_any_stream_lets_the_run_go_on(name: str, seed: int) -> None:
    """The same of what is streamed, in each format: events are spoilt, lost, doubled, and numbered as it comes."""
    goes_on(name, spoilt_stream(name, seed))


@pytest.mark.parametrize("name", MADE)
def test_nothing_at_all_and_anything_else_lets_the_run_go_on(name: str) -> None:
    """Bodies that are no reply of any format."""
    for body in (
        b"",
        b"null",
        b"3",
        b'"x"',
        b"[]",
        b"{}",
        b"data:",
        b"data: [DONE]\n\n",
        b"data: 3\n\n",
        b"\xff\xfe",
        b"\0" * 9,
        b"[" * 9999,
    ):
        goes_on(name, body)
