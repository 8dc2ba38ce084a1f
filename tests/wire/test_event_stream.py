"""Marks, comments and streams around a reply are no hindrance, and half a stream is no reply."""

import json

import pytest

from activities.providers.base import ProviderError
from tests.wire.server import WireServer
from tests.wire.told import COUNTED, asked
from tests.wire.vendors import TEXT, USAGE, chunk, completion, events, message, response, said, use

STREAMED: list[tuple[str, str, bytes]] = [
    ("a BOM", "chat", b"\xef\xbb\xbf" + json.dumps(completion({"content": TEXT})).encode()),
    ("blank lines", "chat", b"\r\n \n" + json.dumps(completion({"content": TEXT})).encode() + b"\n\n"),
    (
        "OpenRouter's comments",
        "chat",
        b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" + json.dumps(completion({"content": TEXT})).encode(),
    ),
    ("UTF-16", "chat", json.dumps(completion({"content": TEXT}), ensure_ascii=False).encode("utf-16")),
    ("one event that is whole", "chat", events(completion({"content": TEXT}))),
    (
        "OpenAI's chunks",
        "chat",
        events(
            chunk({"role": "assistant", "content": TEXT[:4]}),
            chunk({"content": TEXT[4:]}),
            chunk({}, "stop"),
            chunk({}) | {"choices": [], "usage": USAGE},
        ),
    ),
    (
        "vLLM: usage with each",
        "chat",
        events(
            chunk({"content": TEXT[:4]}, usage={**USAGE, "completion_tokens": 1, "total_tokens": 1201}),
            chunk({"content": TEXT[4:]}, "stop", usage=USAGE),
        ),
    ),
    ("Groq: usage beside", "chat", events(chunk({"content": TEXT}), chunk({}, "stop", x_groq={"usage": USAGE}))),
    (
        "Kimi: usage in the choice",
        "chat",
        events(
            {
                "object": "chat.completion.chunk",
                "model": "model-1",
                "choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop", "usage": USAGE}],
            }
        ),
    ),
    ("no end, but finished", "chat", events(chunk({"content": TEXT}, "stop", usage=USAGE), end="")),
    (
        "Anthropic's events",
        "anthropic",
        events(
            {"type": "message_start", "message": message([], None) | {"usage": {"input_tokens": 1200, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT[:4]}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT[4:]}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 90}},
            {"type": "message_stop"},
            named=True,
            end="",
        ),
    ),
    ("a BOM before Anthropic", "anthropic", b"\xef\xbb\xbf" + json.dumps(message([{"type": "text", "text": TEXT}])).encode()),
    ("comments before Anthropic", "anthropic", b":\n\n:x\n" + json.dumps(message([{"type": "text", "text": TEXT}])).encode()),
    (
        "OpenAI's events",
        "responses",
        events(
            {"type": "response.created", "response": response(status="in_progress")},
            {"type": "response.output_text.delta", "delta": TEXT},
            {"type": "response.completed", "response": response(said())},
            named=True,
            end="",
        ),
    ),
    (
        "items before the end only",
        "responses",
        events(
            {"type": "response.output_item.done", "item": said()},
            {"type": "response.completed", "response": response()},
            named=True,
        ),
    ),
    ("a BOM before a response", "responses", b"\xef\xbb\xbf" + json.dumps(response(said())).encode()),
]


@pytest.mark.parametrize(("name", "body"), [case[1:] for case in STREAMED], ids=[case[0] for case in STREAMED])
async def test_what_stands_around_a_reply_or_streams_it_is_no_hindrance(server: WireServer, name: str, body: bytes) -> None:
    """Marks, blanks and comments are passed over, and events are put together, with their usage."""
    reply = await asked(name, body, server)
    assert (reply.stop, reply.text, reply.usage, reply.model) == ("end", TEXT, COUNTED, "model-1")


PIECES: list[tuple[str, bytes]] = [
    (
        "chat",
        events(
            chunk({"content": None, "reasoning_content": "h"}),
            chunk(
                {
                    "reasoning_content": "m",
                    "tool_calls": [
                        {"index": 0, "id": "a", "type": "function", "function": {"name": "read_file", "arguments": ""}}
                    ],
                }
            ),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"title"'}}]}),
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "id": "", "function": {"name": "", "arguments": ': "a"}'}},
                        {"index": 1, "id": "b", "function": {"name": "read_file", "arguments": '{"title": "b"}'}},
                    ]
                }
            ),
            chunk({}, "tool_calls", usage=USAGE),
        ),
    ),
    (
        "chat",
        events(
            chunk({"tool_calls": [{"id": "a", "function": {"name": "read_file", "arguments": '{"title": "a"}'}}]}),
            chunk({"tool_calls": [{"id": "b", "function": {"name": "read_file", "arguments": '{"title": '}}]}),
            chunk({"tool_calls": [{"function": {"arguments": '"b"}'}}]}, "stop", usage=USAGE),
        ),
    ),
    (
        "anthropic",
        events(
            {"type": "message_start", "message": message([], None)},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
            {"type": "content_block_start", "index": 1, "content_block": use("a", {})},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"title"'}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ': "a"}'}},
            {"type": "content_block_start", "index": 2, "content_block": use("b", {"title": "b"})},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 90}},
            named=True,
            end="",
        ),
    ),
]


@pytest.mark.parametrize(("name", "body"), PIECES)
async def test_calls_in_pieces_are_put_together(server: WireServer, name: str, body: bytes) -> None:
    """By their numbers, and without them by their ids; what came with them stays."""
    reply = await asked(name, body, server)
    assert [(one.call_id, one.arguments) for one in reply.calls] == [("a", {"title": "a"}), ("b", {"title": "b"})]
    assert reply.usage == COUNTED
    if "reasoning_content" in body.decode():
        assert isinstance(reply.native, dict)
        assert reply.native["reasoning_content"] == "hm"
    if "signature" in body.decode():
        assert isinstance(reply.native, list)
        assert reply.native[0] == {"type": "thinking", "thinking": "hm", "signature": "s"}


HALF: list[tuple[str, bytes, str]] = [
    ("chat", events(chunk({"content": TEXT}), end=""), "cut"),
    ("chat", events(chunk({"content": TEXT}), end="")[:-9], "cut"),
    ("chat", events(chunk({"content": TEXT}), {"error": {"code": 429, "message": "busy"}}), "rate_limited"),
    ("chat", events({"hello": 1}, {"world": 2}), "drift"),
    ("anthropic", events({"type": "message_start", "message": message([])}, end=""), "cut"),
    (
        "anthropic",
        events(
            {"type": "message_start", "message": message([])},
            {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
        ),
        "overloaded",
    ),
    ("responses", events({"type": "response.created", "response": response(status="in_progress")}, end=""), "cut"),
    (
        "responses",
        events(
            {"type": "response.failed", "response": response(status="failed", error={"code": "server_error", "message": "x"})}
        ),
        "server",
    ),
]


@pytest.mark.parametrize(("name", "body", "kind"), HALF)
async def test_a_stream_that_ends_early_is_no_reply(server: WireServer, name: str, body: bytes, kind: str) -> None:
    """Half a stream was cut, and an error in it is that error."""
    with pytest.raises(ProviderError) as caught:
        await asked(name, body, server)
    assert caught.value.kind == kind
