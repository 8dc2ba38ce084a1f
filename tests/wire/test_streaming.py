"""A reply that is streamed: the same turn as without, limits for its silences, and no more than that where it ends early."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from activities.providers.base import Provider, ProviderError
from activities.providers.progress import Progress, followed
from tests.wire.samples import ask
from tests.wire.server import Play, WireServer
from tests.wire.streams import SPEAKS, endpoint, started, streamed
from tests.wire.vendors import TEXT, call, completion, events, item, message, response, said, use

TINY = "PT1S"
"""For waits in which the server says nothing at all until the client has gone."""

NAMED = {"headers": {"request-id": "r", "x-request-id": "r"}}
"""One id for both replies that are compared."""

TWO = [call("a"), call("b", '{"title": "höher", "n": [1, {"x": null}]}')]

WHOLE: list[tuple[str, str, dict[str, Any]]] = [
    ("text", "chat", completion({"role": "assistant", "content": TEXT})),
    ("calls", "chat", completion({"role": "assistant", "content": None, "tool_calls": TWO}, "tool_calls")),
    ("thoughts", "chat", completion({"content": "so", "reasoning_content": "hm, hm", "tool_calls": TWO}, "tool_calls")),
    ("cut off", "chat", completion({"role": "assistant", "content": TEXT}, "length")),
    ("no usage", "chat", completion({"role": "assistant", "content": TEXT}, usage=...)),
    ("text", "responses", response(said())),
    ("calls", "responses", response(said("so"), item("a"), item("b", '{"title": "höher"}'))),
    ("text", "messages", message([{"type": "text", "text": TEXT}])),
    (
        "calls and thoughts",
        "messages",
        message(
            [
                {"type": "thinking", "thinking": "hm, hm", "signature": "c2ln"},
                {"type": "text", "text": "so"},
                use("a"),
                use("b", {"title": "höher", "n": [1, {"x": None}]}),
                use("c", {}),
            ],
            "tool_use",
        ),
    ),
    ("no usage", "messages", message([{"type": "text", "text": TEXT}], usage=...)),
]


def in_pieces(body: bytes, size: int) -> list[bytes]:
    """The body cut wherever it falls, also within characters and lines."""
    return [body[at : at + size] for at in range(0, len(body), size)]


async def failure(provider: Provider) -> ProviderError:
    """How the call fails."""
    with pytest.raises(ProviderError) as caught:
        await provider.complete(ask())
    return caught.value


def stopping(*pieces: bytes) -> Play:
    """These pieces, and then nothing until the client goes."""
    return Play(pieces=(*pieces, asyncio.Event()))


@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize(("speaks", "whole"), [case[1:] for case in WHOLE], ids=[f"{one[1]}: {one[0]}" for one in WHOLE])
async def test_the_turn_is_the_same_with_and_without(server: WireServer, speaks: str, whole: dict[str, Any], size: int) -> None:
    """Text, calls, thoughts, stop, usage and what is echoed, to the letter; the stream and its usage are asked for."""
    server.play(Play(whole, **NAMED), Play(pieces=in_pieces(streamed(speaks, whole), size), **NAMED))
    async with endpoint(server, speaks, capabilities={}) as plain, endpoint(server, speaks) as streaming:
        replies = [(await one.complete(ask())).model_dump_json() for one in (plain, streaming)]
    first, second = (seen.body for seen in server.requests)
    asked = {"stream": True} | ({"stream_options": {"include_usage": True}} if speaks == "chat" else {})
    assert replies[0] == replies[1]
    assert second == first | asked
    assert ("usage" in whole) == (json.loads(replies[1])["usage"] is not None)


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_an_endpoint_that_does_not_stream_although_asked_is_read(server: WireServer, speaks: str) -> None:
    """As some gateways do: the whole reply is the reply."""
    whole = next(one for _, format_, one in WHOLE if format_ == speaks)
    server.play(Play(whole))
    async with endpoint(server, speaks) as provider:
        assert (await provider.complete(ask())).text == TEXT


async def test_who_streams_by_default(server: WireServer) -> None:
    """Anthropic itself; nobody else, and usage is not asked for where the settings say so."""
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("messages", {"vendor": "anthropic", "capabilities": {}}, {"stream": True}),
        ("messages", {"capabilities": {}}, {}),
        ("chat", {"vendor": "openai", "capabilities": {}}, {}),
        ("responses", {"vendor": "openai", "capabilities": {}}, {}),
        ("chat", {"capabilities": {}}, {}),
        ("chat", {"capabilities": {"stream": True, "stream_usage": False}}, {"stream": True}),
        ("chat", {"capabilities": {}, "models": {"model-*": {"stream": True, "stream_usage": False}}}, {"stream": True}),
    ]
    for speaks, table, fields in cases:
        server.play(Play(next(one for _, format_, one in WHOLE if format_ == speaks)))
        async with endpoint(server, speaks, **table) as provider:
            await provider.complete(ask())
        found = {name: value for name, value in server.requests[-1].body.items() if name.startswith("stream")}
        assert found == fields, (speaks, table)


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_a_first_byte_that_never_comes_is_not_waited_for(server: WireServer, speaks: str) -> None:
    """By the limit for the first byte, whether or not the head of the answer is there, and however long silences may be."""
    server.play(Play(silent=True), stopping())
    async with endpoint(server, speaks, first_byte_timeout=TINY) as provider:
        for _ in range(2):
            found = await failure(provider)
            assert (found.kind, found.maybe_charged) == ("timeout", True)
            assert "no byte of an answer within 1 s" in str(found)


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_a_stream_that_falls_silent_is_not_waited_for(server: WireServer, speaks: str) -> None:
    """Long before the limits for the first byte and for the whole call; what had been written by then is known."""
    server.play(stopping(started(speaks, TEXT)))
    async with endpoint(server, speaks, idle_timeout=TINY) as provider:
        with followed() as progress:
            found = await failure(provider)
    assert (found.kind, found.recovery, found.maybe_charged) == ("timeout", "retry", True)
    assert "nothing for 1 s after" in str(found)
    assert f"{len(TEXT)} characters had been written" in str(found)
    assert progress.text == TEXT


async def test_the_limit_of_the_whole_call_says_how_much_there_was(server: WireServer) -> None:
    """It ends a stream that would be waited for longer."""
    server.play(stopping(started("chat", TEXT)))
    async with endpoint(server, "chat", total_timeout="PT1S") as provider:
        found = await failure(provider)
    assert (found.kind, "within 1 s" in str(found)) == ("timeout", True)


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("speaks", SPEAKS)
async def test_half_a_stream_was_cut(server: WireServer, speaks: str, broken: bool) -> None:
    """Whether the connection ends in order or not; what may have been billed is charged."""
    server.play(Play(pieces=[started(speaks, TEXT)], cut=broken, headers={"connection": "close"}))
    async with endpoint(server, speaks) as provider:
        with followed() as progress:
            found = await failure(provider)
    assert (found.kind, found.maybe_charged, progress.text) == ("cut", True, TEXT)


ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"error": {"code": 429, "message": "busy now"}}, "rate_limited"),
    ("chat", {"object": "error", "message": "busy now", "type": "BadGateway", "code": 502}, "server"),
    ("messages", {"type": "error", "error": {"type": "overloaded_error", "message": "busy now"}}, "overloaded"),
    ("responses", {"type": "error", "code": "rate_limit_exceeded", "message": "busy now", "param": None}, "rate_limited"),
    (
        "responses",
        {
            "type": "response.failed",
            "response": response(status="failed", usage=..., error={"code": "server_error", "message": "busy now"}),
        },
        "server",
    ),
]


@pytest.mark.parametrize("more", [events(), b""])
@pytest.mark.parametrize(("speaks", "error", "kind"), ERRORS)
async def test_an_error_in_the_middle_is_that_error(
    server: WireServer, speaks: str, error: dict[str, Any], kind: str, more: bytes
) -> None:
    """Also if the endpoint says that the stream has ended well, or leaves the connection open after it."""
    play = stopping if not more else lambda *pieces: Play(pieces=pieces)
    server.play(play(*filter(None, [started(speaks, TEXT), events(error, end=""), more])))
    async with endpoint(server, speaks, idle_timeout=TINY) as provider:
        found = await failure(provider)
    assert (found.kind, "busy now" in str(found), found.maybe_charged) == (kind, True, False)


@pytest.mark.parametrize("speaks", SPEAKS)
@pytest.mark.parametrize("broken", [False, True])
async def test_a_stream_that_has_said_its_last_word_is_whole(server: WireServer, speaks: str, broken: bool) -> None:
    """Whatever becomes of its connection."""
    whole = next(one for _, format_, one in WHOLE if format_ == speaks)
    body = streamed(speaks, whole)
    server.play(Play(pieces=[body], cut=True, headers={"connection": "close"}) if broken else stopping(body))
    async with endpoint(server, speaks, idle_timeout=TINY) as provider:
        reply = await provider.complete(ask())
    assert (reply.text, reply.usage is not None) == (TEXT, True)


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_the_checks_of_a_reply_hold_for_a_stream(server: WireServer, speaks: str) -> None:
    """One that never ends stops at the limit of its size, and one that belongs to another request is not used."""
    whole = next(one for _, format_, one in WHOLE if format_ == speaks)
    server.play(Play(endless=True), Play(pieces=[streamed(speaks, whole)], headers={"x-request-key": "another"}))
    async with endpoint(server, speaks) as provider:
        large, other = await failure(provider), await failure(provider)
    assert (large.kind, other.kind) == ("drift", "drift")
    assert "larger than" in str(large)
    assert "belongs to another request" in str(other)


PARTS: list[tuple[str, Sequence[dict[str, Any]], list[dict[str, Any]]]] = [
    (
        "numbered parts that go on",
        [
            {"type": "reasoning.text", "text": "h", "index": 0},
            {"type": "reasoning.text", "text": "m", "signature": "s", "index": 0},
        ],
        [{"type": "reasoning.text", "text": "hm", "index": 0, "signature": "s"}],
    ),
    (
        "parts without a number",
        [{"type": "a", "text": "h"}, {"type": "a", "text": "m"}],
        [{"type": "a", "text": "h"}, {"type": "a", "text": "m"}],
    ),
    (
        "another number",
        [{"type": "a", "text": "h", "index": 0}, {"type": "a", "text": "m", "index": 1}],
        [{"type": "a", "text": "h", "index": 0}, {"type": "a", "text": "m", "index": 1}],
    ),
]


@pytest.mark.parametrize(("given", "kept"), [case[1:] for case in PARTS], ids=[case[0] for case in PARTS])
async def test_reasoning_in_parts_is_echoed_as_one(
    server: WireServer, given: Sequence[dict[str, Any]], kept: list[dict[str, Any]]
) -> None:
    """As OpenRouter sends it: what goes back is what a reply that is not streamed would have held."""
    pieces = [
        {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"reasoning_details": [one]}}]} for one in given
    ]
    server.play(Play(pieces=[events(*pieces, end=""), streamed("chat", WHOLE[0][2])]))
    async with endpoint(server, "chat") as provider:
        reply = await provider.complete(ask())
    assert isinstance(reply.native, dict)
    assert reply.native["reasoning_details"] == kept


@pytest.mark.parametrize("size", [1, 9, 5000])
@pytest.mark.parametrize(("speaks", "whole"), [case[1:] for case in WHOLE], ids=[f"{one[1]}: {one[0]}" for one in WHOLE])
def test_what_comes_is_counted_as_it_comes(speaks: str, whole: dict[str, Any], size: int) -> None:
    """The answer's text and all characters with thoughts and arguments, however the bytes are cut."""
    progress = Progress()
    progress.begin("own:model-1")
    for piece in in_pieces(streamed(speaks, whole), size):
        progress.took(piece)
    content = "".join(_said(whole))
    assert progress.text == content
    (detail,) = progress.details()
    assert detail["model"] == "own:model-1"
    assert detail["characters"] >= len(content)
    assert detail["tokens"] == -(-detail["characters"] // 4)
    assert progress.ended


def _said(whole: dict[str, Any]) -> list[str]:
    if "choices" in whole:
        return [whole["choices"][0]["message"]["content"] or ""]
    if "content" in whole:
        return [one["text"] for one in whole["content"] if one["type"] == "text"]
    return [one["content"][0]["text"] for one in whole["output"] if one["type"] == "message"]


def test_what_is_no_stream_counts_nothing() -> None:
    """A whole reply, an event that cannot be read, and one that is no object."""
    progress = Progress()
    for body in (json.dumps(WHOLE[0][2]).encode(), b"\ndata: {broken\n\n", b"data: 3\n\n", b": ping\n\n"):
        progress.took(body)
    assert (progress.text, progress.characters, progress.ended, progress.details()) == ("", 0, False, ())
