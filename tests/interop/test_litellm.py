"""Through a LiteLLM proxy whose upstream is the loopback endpoint: deliveries, streams, errors, doctor and probe."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from activities.providers.base import ErrorKind
from commands.demo.demo import SAMPLE
from ledger.tables import turn
from tests.commands import probed
from tests.commands.conftest import Baton
from tests.interop.servers import KEY, MODELS, PRICE, table
from tests.interop.talks import failure, provider, two_turns
from tests.interop.upstream import Upstream
from tests.stack import git, sample, stack
from tests.wire.book import by_key, read_book
from tests.wire.plays import Play
from tests.wire.samples import CALLS, REPLY

GPT, CLAUDE = MODELS

WAYS = [
    # What Baton speaks, and the model behind the gateway, which speaks a format of its own.
    ("chat", GPT),
    ("chat", CLAUDE),
    ("responses", GPT),
    ("responses", CLAUDE),
    ("messages", GPT),
    ("messages", CLAUDE),
]

TRANSLATED = [("chat", CLAUDE), ("responses", GPT), ("messages", GPT)]
"""A delivery in each format of Baton, and in each format of the upstream or another one."""


@pytest.fixture
def gateway(litellm: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The gateway's address; its key is set."""
    monkeypatch.setenv("LITELLM_KEY", KEY)
    return litellm


def own(url: str, speaks: str, **more: Any) -> dict[str, Any]:
    """The table of the gateway."""
    return table(url, speaks, key_env="LITELLM_KEY", **more)


@pytest.mark.parametrize(("speaks", "model"), TRANSLATED)
async def test_a_delivery_through_litellm(
    client: Client, tmp_path: Path, gateway: str, upstream: Upstream, speaks: str, model: str
) -> None:
    """The change is pushed, and each turn is charged what the gateway says that it cost: never less than the upstream's price.

    Nor more than a micro-dollar above it: the gateway counts in floats, and what is stated is rounded up.
    """
    origin, before = sample(tmp_path / "sample"), len(upstream.requests)
    written = len(read_book(upstream.book_file))
    whole = own(gateway, speaks, vendor="openai" if model == GPT else "anthropic", bill_as_stated=True)
    with upstream.scripted(SAMPLE / "script.yaml"):
        async with stack(client, tmp_path / "state", model=f"own:{model}", providers={"own": whole}) as running:
            run = await running.deliver(origin, branch="wire")
            await running.approve(run, "plan")
            await running.approve(run, "change")
            report = await run.result()
            rows = running.ledger.read_now(lambda connection: connection.execute(select(turn)).all())
    billed = by_key(read_book(upstream.book_file)[written:])
    assert (report.state, git(origin, "rev-parse", "wire^{tree}")) == ("done", report.tree)
    assert len(upstream.requests) - before == len(rows) > 10
    above = [row.usd_micros - one for row in rows for one in billed[row.id]]
    assert len(above) == len(rows)
    assert set(above) <= {0, 1}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("speaks", "model"), WAYS)
async def test_two_turns_through_litellm(gateway: str, upstream: Upstream, speaks: str, model: str, stream: bool) -> None:
    """Calls, their results and the final output arrive in every format over every other, whole and streamed, with a usage."""
    upstream.queue.clear()
    upstream.play(CALLS, REPLY)
    first, last = await two_turns(provider(own(gateway, speaks, capabilities={"stream": stream})), model)
    assert [(call.name, call.arguments) for call in first.calls] == [(call.name, call.arguments) for call in CALLS.calls]
    assert (first.text, last.text) == (CALLS.text, REPLY.text)
    assert first.usage is not None
    assert last.usage is not None
    if first.stated is not None and not stream:  # pieces of a stream leave before its cost is known
        assert first.stated.usd_micros == round((10 * PRICE[0] + 2 * PRICE[1]) * 1_000_000)


def refused(message: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


FAULTS: dict[str, tuple[Play, ErrorKind, str]] = {
    "rate limit": (
        Play(status=429, error="Rate limit reached", headers={"retry-after": "7"}),
        "rate_limited",
        "Rate limit reached",
    ),
    "failure": (Play(status=500, error="it broke"), "server", "it broke"),
    "overload": (Play(status=503, error="no room"), "overloaded", "no room"),
    "long": (
        Play(refused("This model's maximum context length is 8192 tokens", "context_length_exceeded"), status=400),
        "too_large",
        "maximum context length",
    ),
    "filter": (
        Play(refused("The response was filtered by the content management policy", "content_filter"), status=400),
        "filtered",
        "content management policy",
    ),
    "tools": (Play(refused("tools is not supported in this model"), status=400), "unsupported", "tools is not supported"),
    "key": (Play(status=401, error="Incorrect API key provided"), "authentication", "Incorrect API key"),
    "credit": (Play(status=402, error="Insufficient credits"), "credit", "Insufficient credits"),
    "quota": (
        Play(refused("You exceeded your current quota, check your billing details", "insufficient_quota"), status=429),
        "credit",
        "exceeded your current quota",
    ),
    "model": (Play(status=404, error="The model does not exist"), "not_found", "does not exist"),
    "nothing": (Play(abort=True), "server", ""),
    "half": (Play(REPLY, cut=True), "server", ""),
}


@pytest.mark.parametrize(("speaks", "model"), [one for one in WAYS if one != ("responses", CLAUDE)])
async def test_an_upstreams_errors_through_litellm(gateway: str, upstream: Upstream, speaks: str, model: str) -> None:
    """What the upstream means is understood, in its own words, without the gateway's around them."""
    made, seen = provider(own(gateway, speaks)), {}
    try:
        for name, (play, _, _) in FAULTS.items():
            upstream.queue.clear()
            upstream.play(replace(play))
            seen[name] = await failure(made, model)
    finally:
        await made.close()
    assert {name: error.kind for name, error in seen.items()} == {name: kind for name, (_, kind, _) in FAULTS.items()}
    for name, (_, _, words) in FAULTS.items():
        assert words in str(seen[name])
        assert not [odd for odd in ('{"', "model group", KEY, "key-of-the-upstream") if odd in str(seen[name])]
    if speaks != "messages":  # there LiteLLM passes no header on
        assert seen["rate limit"].retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(("speaks", "model"), TRANSLATED)
async def test_doctor_and_probe_through_litellm(
    baton: Baton, gateway: str, upstream: Upstream, speaks: str, model: str
) -> None:
    """Doctor has an answer and its cost; the probe finds text, tools and usage, and that the gateway states a cost."""
    base, vendor = table(gateway, speaks)["base_url"], "openai" if model == GPT else "anthropic"
    lines = (
        f'model = "own:{model}"',
        "[providers.own]",
        f'speaks = "{speaks}"',
        f'base_url = "{base}"',
        'key_env = "LITELLM_KEY"',
    )
    (baton.folder / "baton.toml").write_text("\n".join([*lines, f'vendor = "{vendor}"']))
    with upstream.answered_by(lambda body: Play(probed.model(body))):
        found = await baton.live("doctor", "--json")
        probe = await baton.live("models", "probe", "--json")
    endpoint = next(one for one in found.json["findings"] if one["name"] == "endpoint own")
    assert (endpoint["level"], "answered in" in endpoint["text"]) == ("ok", True), endpoint["text"]
    checks = {one["what"]: one["works"] for one in probe.json["probes"][0]["checks"]}
    assert probe.code == 0
    needed = ("text", "tool", "two calls at once", "tool results", "usage", "long input")
    assert {name: checks[name] for name in needed} == dict.fromkeys(needed, True)
    usage = next(one["text"] for one in probe.json["probes"][0]["checks"] if one["what"] == "usage")
    assert "it states a cost of its own" in usage
