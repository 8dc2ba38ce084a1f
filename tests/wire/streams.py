"""Whole replies as the stream of events that the same server sends for them, and the endpoints that ask for one."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import config
import model_choice
from activities.providers.base import Provider
from tests.wire.server import WireServer
from tests.wire.vendors import USAGE, chunk, events

SPEAKS = {"chat": "/v1", "responses": "/v1", "messages": ""}


@asynccontextmanager
async def endpoint(server: WireServer, speaks: str, **table: Any) -> AsyncIterator[Provider]:
    """The provider of a table for this server; it streams unless the table says otherwise."""
    whole = {"speaks": speaks, "base_url": server.url + SPEAKS[speaks], "capabilities": {"stream": True}} | table
    provider = model_choice.build_providers(config.load(providers={"own": whole}))["own"]
    try:
        yield provider
    finally:
        await provider.close()


def streamed(speaks: str, whole: dict[str, Any]) -> bytes:
    """The events for a whole reply, its texts and arguments in pieces of three characters."""
    return {"chat": _chat, "responses": _responses, "messages": _messages}[speaks](whole)


def started(speaks: str, text: str) -> bytes:
    """The beginning of a stream that has said so much of its answer."""
    if speaks == "chat":
        return events(chunk({"role": "assistant", "content": ""}), chunk({"content": text}), end="")
    if speaks == "responses":
        begun = {"type": "response.created", "response": {"id": "r1", "status": "in_progress", "output": []}}
        return events(begun, {"type": "response.output_text.delta", "delta": text}, named=True, end="")
    begun = {"id": "m1", "type": "message", "role": "assistant", "model": "model-1", "content": [], "stop_reason": None}
    return events(
        {"type": "message_start", "message": begun | {"usage": {"input_tokens": 1200, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        named=True,
        end="",
    )


def _threes(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _chat(whole: dict[str, Any]) -> bytes:
    choice = whole["choices"][0]
    message = choice["message"]
    parts = [chunk({"role": "assistant", "content": ""})]
    for key in ("reasoning_content", "content"):
        parts += [chunk({key: piece}) for piece in _threes(message.get(key) or "")]
    for index, call in enumerate(message.get("tool_calls", [])):
        given = call["function"]["arguments"]
        parts.append(chunk({"tool_calls": [call | {"index": index, "function": call["function"] | {"arguments": ""}}]}))
        parts += [chunk({"tool_calls": [{"index": index, "function": {"arguments": one}}]}) for one in _threes(given)]
    parts.append(chunk({}, choice["finish_reason"]))
    usage = [chunk({}) | {"choices": [], "usage": USAGE}] if "usage" in whole else []
    return events(*parts, *usage)


def _responses(whole: dict[str, Any]) -> bytes:
    parts: list[dict[str, Any]] = [{"type": "response.created", "response": whole | {"status": "in_progress", "output": []}}]
    for index, item in enumerate(whole["output"]):
        kind = "function_call_arguments" if item["type"] == "function_call" else "output_text"
        given = item["arguments"] if "arguments" in item else item["content"][0]["text"]
        begun = item | ({"arguments": ""} if "arguments" in item else {"content": []})
        parts.append({"type": "response.output_item.added", "output_index": index, "item": begun | {"status": "in_progress"}})
        parts += [{"type": f"response.{kind}.delta", "output_index": index, "delta": one} for one in _threes(given)]
        parts.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return events(*parts, {"type": "response.completed", "response": whole}, named=True, end="")


def _messages(whole: dict[str, Any]) -> bytes:
    usage = whole.get("usage", {})
    begun = whole | {"content": [], "stop_reason": None} | ({"usage": usage | {"output_tokens": 1}} if usage else {})
    parts: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        parts += [{"index": index} | one for one in _block(block)]
    counted = {"usage": {"output_tokens": usage["output_tokens"]}} if usage else {}
    end = {"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None}} | counted
    return events(*parts, end, {"type": "message_stop"}, named=True, end="")


def _block(block: dict[str, Any]) -> list[dict[str, Any]]:
    if block["type"] == "tool_use":
        # As Anthropic sends it: nothing at all for a call without arguments.
        given = json.dumps(block["input"]) if block["input"] else ""
        deltas = [("input_json_delta", "partial_json", one) for one in ["", *_threes(given)]]
        begun = block | {"input": {}}
    elif block["type"] == "thinking":
        deltas = [("thinking_delta", "thinking", one) for one in _threes(block["thinking"])]
        deltas.append(("signature_delta", "signature", block["signature"]))
        begun = block | {"thinking": "", "signature": ""}
    else:
        deltas = [("text_delta", "text", one) for one in _threes(block["text"])]
        begun = block | {"text": ""}
    return [
        {"type": "content_block_start", "content_block": begun},
        *({"type": "content_block_delta", "delta": {"type": kind, key: one}} for kind, key, one in deltas),
        {"type": "content_block_stop"},
    ]
