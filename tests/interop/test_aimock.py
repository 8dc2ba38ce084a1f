"""At aimock: a delivery that it relays and spoils, in each format, and each of its faults as a call meets it."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from commands.demo.demo import SAMPLE
from tests.commands.conftest import Baton
from tests.interop import servers
from tests.interop.servers import table
from tests.interop.talks import failure, provider, two_turns
from tests.interop.upstream import Upstream
from tests.stack import git, sample, stack
from tests.wire.samples import CALLS, REPLY, SOON

FORMATS = ("chat", "responses", "messages")


def nth(number: int, turn_index: int, **more: Any) -> dict[str, Any]:
    """A fixture for the n-th request, from 0, of those with so many turns of the assistant."""
    return {"match": {"turnIndex": turn_index, "sequenceIndex": number}, "response": {"content": "never said"}} | more


def error(status: int, message: str, kind: str) -> dict[str, Any]:
    """A fixture's error."""
    return {"response": {"error": {"message": message, "type": kind}, "status": status}}


SPOILT = [
    nth(0, 0, **error(429, "Rate limit reached", "rate_limit_error")),
    nth(1, 0, **error(503, "The server is overloaded", "server_error")),
    nth(0, 1, chaos={"malformedRate": 1}),
    nth(1, 1, chaos={"disconnectRate": 1}),
    nth(2, 1, chaos={"dropRate": 1}),
]
"""What the first calls of a delivery meet; all others go to the upstream."""


@pytest.mark.parametrize("speaks", FORMATS)
async def test_a_delivery_through_a_failing_aimock(client: Client, tmp_path: Path, upstream: Upstream, speaks: str) -> None:
    """Each fault is met once, and the change is pushed all the same; nothing is charged twice."""
    origin, before = sample(tmp_path / "sample"), len(upstream.requests)
    with upstream.scripted(SAMPLE / "script.yaml"):
        async with servers.aimock(tmp_path / "aimock", SPOILT, upstream.url) as url:
            own = table(url, speaks, free=True)
            async with stack(client, tmp_path / "state", model="own:mock", providers={"own": own}) as running:
                run = await running.deliver(origin, branch="wire")
                await running.approve(run, "plan")
                await running.approve(run, "change")
                report = await run.result()
            met = await servers.statuses(url)
    assert (report.state, git(origin, "rev-parse", "wire^{tree}")) == ("done", report.tree)
    assert len(upstream.requests) - before > 10
    assert {429, 503, 500} <= set(met)


FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    # What the first call gets, and what it may be taken for: a chance to read it differently in each format.
    "429": (error(429, "Rate limit reached", "rate_limit_error"), {"rate_limited"}),
    "500": (error(500, "it broke", "server_error"), {"server"}),
    "503": (error(503, "The model is overloaded", "overloaded"), {"overloaded"}),
    "400": (error(400, "maximum context length is 8192 tokens", "invalid_request_error"), {"too_large"}),
    "401": (error(401, "Incorrect API key provided", "invalid_request_error"), {"authentication"}),
    "402": (error(402, "Insufficient credits", "billing"), {"credit"}),
    "drop": ({"chaos": {"dropRate": 1}}, {"server"}),
    "malformed": ({"chaos": {"malformedRate": 1}}, {"not_json", "drift"}),
    "disconnect": ({"chaos": {"disconnectRate": 1}}, {"cut"}),
}


@pytest.mark.parametrize("speaks", FORMATS)
async def test_each_fault_of_aimock(tmp_path: Path, speaks: str) -> None:
    """Each is known for what it is, and the next call is answered: calls and a final output, whole and in a stream."""
    calls = [{"name": call.name, "arguments": call.arguments} for call in CALLS.calls]
    right = [
        {"match": {"model": "right", "toolName": "read_file"}, "response": {"content": CALLS.text, "toolCalls": calls}},
        {"match": {"model": "right"}, "response": {"content": REPLY.text}},
    ]
    wrong = [{"match": {"model": name}, "response": {"content": "x" * 400}} | fault for name, (fault, _) in FAULTS.items()]
    slow = {"match": {"model": "slow"}, "response": {"content": "x"}, "chaos": {"latencyMs": 20_000}}
    cut = {"match": {"model": "cut"}, "response": {"content": "x" * 400}, "truncateAfterChunks": 3}
    async with servers.aimock(tmp_path / "aimock", [*wrong, slow, cut, *right]) as url:
        made = provider(table(url, speaks, free=True))
        try:
            seen = {name: (await failure(made, name)).kind for name in FAULTS}
            late = await failure(made, "slow", timeout=SOON)
        finally:
            await made.close()
        streamed = provider(table(url, speaks, free=True, capabilities={"stream": True}))
        try:
            broken = await failure(streamed, "cut")
        finally:
            await streamed.close()
        for stream in (False, True):
            first, last = await two_turns(provider(table(url, speaks, free=True, capabilities={"stream": stream})), "right")
            assert [(call.name, call.arguments) for call in first.calls] == [
                (call.name, call.arguments) for call in CALLS.calls
            ]
            assert last.text == REPLY.text
    assert {name: kind for name, kind in seen.items() if kind not in FAULTS[name][1]} == {}
    assert (late.kind, broken.kind) == ("timeout", "cut")


async def test_doctor_at_aimock(baton: Baton, tmp_path: Path) -> None:
    """Doctor has an answer; where aimock fails it says how."""
    fixtures = [
        {"match": {"sequenceIndex": 0}, "response": {"content": '{"ok": true}'}},
        {"match": {}} | error(503, "no room", "x"),
    ]
    async with servers.aimock(tmp_path / "aimock", fixtures) as url:
        base = table(url, "chat")["base_url"]
        lines = ('model = "own:mock"', "[providers.own]", 'speaks = "chat"', f'base_url = "{base}"', "free = true")
        (baton.folder / "baton.toml").write_text("\n".join(lines))
        texts = [
            next(one for one in (await baton.live("doctor", "--json")).json["findings"] if one["name"] == "endpoint own")
            for _ in range(2)
        ]
    assert [one["level"] for one in texts] == ["ok", "warn"]
    assert "no room" in texts[1]["text"]
