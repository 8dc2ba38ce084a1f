"""Whole deliveries at servers that answer as several vendors do, and refuse what these refuse, through the real clients."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from commands.demo.demo import SAMPLE
from contracts.conversation import ModelReply
from ledger.tables import reservation, turn
from tests import depth
from tests.stack import QUICK, git, sample, stack
from tests.wire.formats import write_reply
from tests.wire.plays import Play, Seen
from tests.wire.server import WireServer
from tests.wire.strict import Rule, contents, legacy, nine, no_schema, order

Form = Callable[[dict[str, Any]], Any]
"""A right reply as the vendor writes it."""


def calling(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a request that call tools."""
    return [one for one in body["messages"] if one.get("tool_calls")]


def reasoning(body: dict[str, Any]) -> str:
    """DeepSeek and Kimi refuse their own calls without what they thought before."""
    lacks = not all(one.get("reasoning_content") for one in calling(body))
    return "The `reasoning_content` in the thinking mode must be passed back" if lacks else ""


def signature(body: dict[str, Any]) -> str:
    """Gemini 3 refuses calls without their signature, and empty ids."""
    firsts = [one["tool_calls"][0] for one in calling(body)]
    return (
        "" if all(one["id"] and one.get("extra_content") for one in firsts) else "Function call is missing a thought_signature"
    )


def thinking(body: dict[str, Any]) -> str:
    """A turn of Messages begins with its thinking."""
    turns = [one["content"] for one in body["messages"] if one["role"] == "assistant"]
    return "" if all(one[0]["type"] == "thinking" for one in turns) else "Expected `thinking`, but found `tool_use`"


def changed(body: dict[str, Any], finish: str, beside: dict[str, Any], each: Callable[[Any], Any]) -> dict[str, Any]:
    """A completion with another finish reason, fields beside its text, and each call in another form."""
    message = body["choices"][0]["message"]
    calls = {"tool_calls": [each(call) for call in message["tool_calls"]]} if message.get("tool_calls") else {}
    return body | {"choices": [{"index": 0, "message": message | beside | calls, "finish_reason": finish}]}


def ollama(body: dict[str, Any]) -> Any:
    """No ids, arguments as objects, thoughts in the text, and one reason for everything."""
    text = body["choices"][0]["message"]["content"] or ""

    def each(call: Any) -> Any:
        named = call["function"]
        return {"function": {"index": 0, "name": named["name"], "arguments": json.loads(named["arguments"])}}

    return changed(body, "stop", {"content": f"<think>\nThis {{is}} it.\n</think>\n\n{text}"}, each)


def deepseek(body: dict[str, Any]) -> Any:
    """Thoughts beside the text, arguments in JSON twice, and another name for cached tokens; compressed."""

    def each(call: Any) -> Any:
        return call | {"function": call["function"] | {"arguments": json.dumps(call["function"]["arguments"])}}

    usage = body["usage"] | {"prompt_cache_hit_tokens": 0}
    return gzip.compress(json.dumps(changed(body | {"usage": usage}, "tool_calls", {"reasoning_content": "hm"}, each)).encode())


def mistral(body: dict[str, Any]) -> Any:
    """The text in parts, with thoughts as one of them."""
    text = body["choices"][0]["message"]["content"]
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}] + (
        [{"type": "text", "text": text}] if text else []
    )
    return changed(body, "tool_calls", {"content": parts}, lambda call: call)


def gemini(body: dict[str, Any]) -> Any:
    """Empty ids, signed calls, a reason in capitals, and thoughts that only the total counts."""

    def each(call: Any) -> Any:
        return call | {"id": "", "extra_content": {"google": {"thought_signature": "c2ln"}}}

    usage = {name: body["usage"][name] for name in ("prompt_tokens", "completion_tokens")}
    return changed(body | {"usage": usage | {"total_tokens": sum(usage.values()) + 50}}, "STOP", {}, each)


def kimi(body: dict[str, Any]) -> Any:
    """Messages with thinking that nobody has signed, and inputs as texts."""
    blocks = [
        one | {"input": json.dumps(one["input"])} if one["type"] == "tool_use" else one
        for one in body["content"]
        if one.get("text") != ""
    ]
    return body | {"content": [{"type": "thinking", "thinking": "hm", "signature": ""}, *blocks], "stop_sequence": ""}


@dataclass(frozen=True)
class Vendor:
    """How it answers, what it refuses, its table, and what its first caller gets instead of an answer."""

    form: Form
    refuses: tuple[Rule, ...]
    model: str
    table: dict[str, Any]
    first: Play
    speaks: str = "chat"
    hidden: int = 0
    """Tokens of output that no part of the usage names."""


BUSY = [{"error": {"code": 503, "message": "The model is overloaded. Please try again in 1s.", "status": "UNAVAILABLE"}}]
VENDORS = {
    "Ollama": Vendor(
        ollama,
        (contents, no_schema, legacy),
        "qwen3-coder",
        {"free": True, "concurrency": 1},
        Play({"error": "llm server loading model"}, status=503),
    ),
    "DeepSeek": Vendor(
        deepseek,
        (contents, no_schema, legacy, reasoning),
        "deepseek-chat",
        {"vendor": "deepseek"},
        Play(b"<!-- edge --><html><title>Just a moment</title></html>", headers={"content-type": "text/html"}),
    ),
    "Mistral": Vendor(
        mistral,
        (nine, order, no_schema, legacy),
        "mistral-large-latest",
        {"vendor": "mistral"},
        Play({"object": "error", "message": "Service tier capacity exceeded for this model.", "code": "3505"}, status=429),
    ),
    "Gemini": Vendor(
        gemini,
        (no_schema, signature),
        "gemini-2.5-flash",
        {"vendor": "google"},
        Play(b"\xef\xbb\xbf" + json.dumps(BUSY).encode()),
        hidden=50,
    ),
    "Kimi's Messages": Vendor(
        kimi,
        (no_schema, legacy, thinking),
        "kimi-k2-thinking",
        {"free": True, "auth": "x-api-key", "headers": {"anthropic-version": "2023-06-01"}},
        Play({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        "messages",
    ),
}


class VendorServer(WireServer):
    """The script's replies in a vendor's form; what the vendor refuses is a 400 and ends the test."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(script=SAMPLE / "script.yaml")
        self.vendor = vendor
        self.refused: list[str] = []
        self.answered = 0

    async def play_for(self, seen: Seen) -> Play:
        """The vendor's answer."""
        refused = [found for rule in self.vendor.refuses if (found := rule(seen.body))]
        if refused:
            self.refused += refused
            return Play(status=400, error=refused[0])
        for one in seen.body["messages"] if self.vendor.speaks == "chat" else ():
            if isinstance(one.get("content"), list):  # the script reads texts
                one["content"] = "".join(part.get("text", "") for part in one["content"])
        play = await super().play_for(seen)
        if not isinstance(play.body, ModelReply):
            return play
        self.answered += 1
        body = self.vendor.form(write_reply(seen.path, play.body) | {"model": seen.model})
        return replace(play, body=body, headers={"content-encoding": "gzip"} if isinstance(body, bytes) else {})


SPEAKS = depth.of_each_kind(("Gemini", *VENDORS), lambda name: VENDORS[name].speaks)
"""A session of two turns with each of them, and others, is in `tests/wire/test_vendor_sessions.py`."""


@pytest.mark.parametrize("name", dict.fromkeys(SPEAKS))
async def test_a_delivery_at_a_vendor(client: Client, tmp_path: Path, name: str) -> None:
    """The first call fails as it does there, and costs nothing; then the change is planned, written, tested and pushed."""
    vendor, origin = VENDORS[name], sample(tmp_path / "sample")
    async with VendorServer(vendor) as server:
        server.play(vendor.first)
        table = {"speaks": vendor.speaks, "base_url": server.url if vendor.speaks == "messages" else server.openai_url}
        known: dict[str, Any] = {"model": f"own:{vendor.model}", "providers": {"own": table | vendor.table}}
        async with stack(client, tmp_path / "state", check=QUICK, **known) as running:
            run = await running.deliver(origin, branch="wire")
            await running.approve(run, "plan")
            await running.approve(run, "change")
            report = await run.result()
            turns = running.ledger.read_now(lambda connection: connection.execute(select(turn)).all())
            held = running.ledger.read_now(lambda connection: connection.execute(select(reservation)).all())
    assert server.refused == []
    assert (report.state, report.usd_micros) == ("done", sum(row.usd_micros for row in turns))
    assert git(origin, "rev-parse", "wire^{tree}") == report.tree
    assert server.answered == len(turns) > 10
    assert sorted(row.state for row in held) == ["released", *["settled"] * len(turns)]
    assert sum(row.settled for row in held) == report.usd_micros
    assert all(row.usd_micros > 0 for row in turns) or vendor.table.get("free")
    assert not [row for row in turns if row.flagged or row.problem or row.tokens_out < vendor.hidden]
