"""At a real llama.cpp server: its parser of tool calls, its grammar, its template and its errors, with a model of one layer."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from contracts.conversation import AssistantMessage, ToolAnswer, ToolCall, ToolMessage, ToolSpec, UserMessage
from ledger.tables import turn
from tests.commands.conftest import Baton
from tests.interop import servers
from tests.interop.servers import table
from tests.interop.talks import NAME, failure, provider, two_turns
from tests.stack import Stack, git, sample, stack
from tests.wire.samples import ask

FORMATS = ("chat", "responses", "messages")
MODEL = "tiny"

READ = ToolSpec(
    name="read_file",
    description="Reads a file.",
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "first_line": {"type": ["integer", "null"]},
            "lines": {"type": ["integer", "null"]},
        },
        "required": ["path", "first_line", "lines"],
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("speaks", FORMATS)
async def test_two_turns_at_llama_cpp(looks: str, speaks: str, stream: bool) -> None:
    """The call comes through the server's parser, its result goes back through the template, and both are counted."""
    made = provider(table(looks, speaks, free=True, capabilities={"stream": stream}))
    first, last = await two_turns(made, MODEL, tools=(READ,))
    assert [(call.name, call.arguments["path"]) for call in first.calls] == [("read_file", "shop/pricing.py")]
    assert (first.stop, first.usage is not None, last.usage is not None) == ("tools", True, True)
    if speaks == "chat":  # the only format in which this server has a grammar for the final output
        assert json.loads(last.text) == {"title": ""}


async def test_a_schema_makes_llama_cpp_deaf_to_tools(looks: str) -> None:
    """Together, the grammar of the schema wins and no call comes out; apart, as it is without a table, the tool is called."""
    for way, calls in (("together", 0), ("apart", 1)):
        made = provider(table(looks, "chat", free=True, capabilities={"schema_with_tools": way}))
        try:
            reply = await made.complete(ask(model=MODEL, tools=(READ,), max_output_tokens=1000))
        finally:
            await made.close()
        assert len(reply.calls) == calls
        assert calls or json.loads(reply.text) == {"title": ""}


async def test_what_llama_cpp_refuses_is_understood(looks: str) -> None:
    """A prompt that is too long is known as such; a call that could not be read goes back in a form that the server takes."""
    made = provider(table(looks, "chat", free=True))
    long = await failure(made, MODEL, messages=(UserMessage(text="x" * 70_000),))
    assert (long.kind, "exceeds the available context size" in str(long)) == ("too_large", True)
    torn = ToolCall(call_id="call_1", name="read_file", arguments='{"path": "', problem="the arguments are no JSON")
    echo = AssistantMessage(text="", calls=(torn,), provider=NAME, model=MODEL)
    answer = ToolMessage(answers=(ToolAnswer(call_id="call_1", name="read_file", text="it cannot be read", is_error=True),))
    try:
        reply = await made.complete(
            ask(model=MODEL, tools=(READ,), max_output_tokens=1000, messages=(UserMessage(text="Read."), echo, answer))
        )
    finally:
        await made.close()
    assert json.loads(reply.text)["outcome"] == "done"


async def test_doctor_and_probe_at_llama_cpp(baton: Baton, looks: str) -> None:
    """Doctor has an answer; the probe finds that tools and a schema exclude each other, and writes the line that helps."""
    base = table(looks, "chat")["base_url"]
    lines = (f'model = "own:{MODEL}"', "[providers.own]", 'speaks = "chat"', f'base_url = "{base}"', "free = true")
    (baton.folder / "baton.toml").write_text("\n".join(lines))
    found = await baton.live("doctor", "--json")
    probe = await baton.live("models", "probe", "--json")
    endpoint = next(one for one in found.json["findings"] if one["name"] == "endpoint own")
    assert (endpoint["level"], "answered in" in endpoint["text"]) == ("ok", True)
    (one,) = probe.json["probes"]
    checks = {check["what"]: check["works"] for check in one["checks"]}
    assert {name: checks[name] for name in ("text", "schema", "tool", "tool results", "usage")} == dict.fromkeys(
        ("text", "schema", "tool", "tool results", "usage"), True
    )
    assert (checks["tool and schema"], one["capabilities"]["schema_with_tools"]) == (False, "apart")


async def facts_at_the_plan(running: Stack, origin: Path) -> tuple[Any, tuple[str, ...]]:
    """A delivery up to its plan, and what the gate states."""
    run = await running.deliver(origin, branch="wire")
    return run, tuple((await running.gate(run, "plan")).facts)


@pytest.mark.parametrize(("model", "read"), [("looks", True), ("guesses", False)])
async def test_a_delivery_at_llama_cpp_ends_at_a_person(client: Client, tmp_path: Path, model: str, read: bool) -> None:
    """A plan that names a file which is not there says so at its gate, and whether anything was read; nothing is pushed.

    Approved all the same, the run comes to a person again, because no file was changed.
    """
    origin = sample(tmp_path / "sample")
    before = git(origin, "for-each-ref")
    async with servers.llama(tmp_path / "llama", model) as url:
        own = table(url, "chat", free=True, concurrency=1)
        async with stack(client, tmp_path / "state", model=f"own:{MODEL}", providers={"own": own}) as running:
            run, facts = await facts_at_the_plan(running, origin)
            await running.approve(run, "plan")
            asked = await running.next_gate(run)
            rows = running.ledger.read_now(lambda connection: connection.execute(select(turn)).all())
    assert any("read no file" in fact for fact in facts) is not read
    assert any("shop/prices.py" in fact for fact in facts), facts
    assert asked.kind != "change"
    assert git(origin, "for-each-ref") == before
    assert all(row.usd_micros == 0 for row in rows)
