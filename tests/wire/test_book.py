"""The loopback provider's own count of money, and its faults that are switched while it runs."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.providers.anthropic import Anthropic
from activities.providers.base import ErrorKind, Provider, ProviderError
from activities.providers.openai import OpenAI
from contracts.conversation import Usage
from tests import children
from tests.children import PATIENCE
from tests.stack import until
from tests.wire.book import Book, BookPrice, by_key, count, read_book
from tests.wire.faults import Kind
from tests.wire.samples import KEY, LONG, MADE, REPLY, SOON, ask, connect
from tests.wire.server import Play, WireServer, control

PRICE = BookPrice(input=3_000_000, output=15_000_000, cache_read=300_000, cache_write=3_750_000)


async def failure(provider: Provider, **changes: Any) -> ProviderError:
    """The error that a call ends in."""
    with pytest.raises(ProviderError) as caught:
        await provider.complete(ask(**changes))
    return caught.value


@pytest.mark.parametrize("name", MADE)
async def test_every_answer_is_in_the_book(tmp_path: Path, name: str) -> None:
    """Each answer has a line with key, model, status, usage and cost; hand-computed, and the same in every format."""
    file = tmp_path / "book"
    async with WireServer(book=Book(file, {"model-1": PRICE})) as server:
        provider = connect(server, name)
        server.play(REPLY, Play(status=500, error="no"), Play(REPLY, cut=True), Play(REPLY, delay=30))
        assert (await provider.complete(ask(key="a"))).usage == REPLY.usage
        for key, limit in (("b", LONG), ("c", LONG), ("d", SOON)):
            await failure(provider, key=key, timeout=limit)
        await asyncio.wait_for((await server.request(3)).gone.wait(), PATIENCE)
        await provider.close()
    lines = read_book(file)
    # 30 fresh, 60 read, 10 written, 20 out: 90 + 18 + 37.5 + 300 micro-dollars.
    assert [(line["key"], line["status"], line["whole"], line["usd_micros"]) for line in lines] == [
        ("a", 200, True, 446),
        ("b", 500, True, None),
        ("c", 200, False, 446),
        ("d", 0, False, 446),
    ]
    assert (lines[0]["model"], lines[0]["agent"], lines[0]["number"]) == ("model-1", "writer", 1)
    assert REPLY.usage == Usage.model_validate(lines[0]["usage"])
    assert (by_key(lines), count(lines)) == ({"a": [446]}, 3 * 446)


async def test_a_book_without_a_price_does_not_count(tmp_path: Path) -> None:
    """A usage without a price is no sum of zero: whoever counts is told which model has none."""
    file = tmp_path / "book"
    async with WireServer(book=Book(file)) as server:
        provider = OpenAI(KEY, server.openai_url)
        server.play(REPLY)
        await provider.complete(ask())
        await provider.close()
    for counting in (by_key, count):
        with pytest.raises(ValueError, match="no price for model-1"):
            counting(read_book(file))


SWITCHED: list[tuple[Kind, ErrorKind]] = [
    ("rate_limited", "rate_limited"),
    ("overloaded", "overloaded"),
    ("server", "server"),
    ("authentication", "authentication"),
    ("credit", "credit"),
    ("permission", "permission"),
    ("not_found", "not_found"),
    ("closed", "cut"),
    ("not_json", "not_json"),
    ("half", "cut"),
    ("slow", "timeout"),
    ("silent", "timeout"),
]


@pytest.mark.parametrize(("kind", "seen_as"), SWITCHED)
async def test_a_fault_is_switched_for_one_model(
    server: WireServer, provider: Provider, kind: Kind, seen_as: ErrorKind
) -> None:
    """A model fails as it was told to, as often as it was told to, and no other model does."""
    server.faults.set("model-1", kind, times=1, delay_s=60)
    server.play(*[REPLY] * 3)
    assert (await provider.complete(ask(model="other"))).text == REPLY.text
    assert (await failure(provider, timeout=SOON if seen_as == "timeout" else LONG)).kind == seen_as
    assert (await provider.complete(ask())).text == REPLY.text
    assert len(server.requests) == 3


async def test_a_rate_limit_says_when_it_ends(server: WireServer, provider: Provider) -> None:
    """A 429 for a time asks for what is left of that time, or for what it was told to ask for; then all is well."""
    server.faults.set("*", "rate_limited", for_s=30)
    wait = (await failure(provider)).retry_after
    assert wait is not None
    assert 0 < wait.total_seconds() <= 30
    server.faults.set("*", "rate_limited", retry_after_s=7)
    assert (await failure(provider)).retry_after == timedelta(seconds=7)
    server.faults.set("*", "server", for_s=0)
    server.play(REPLY)
    assert (await provider.complete(ask())).text == REPLY.text


async def test_an_answer_without_usage_is_not_in_the_count(tmp_path: Path) -> None:
    """The fault `usage` leaves the usage out, on the wire and in the book."""
    file = tmp_path / "book"
    async with WireServer(book=Book(file, {"*": PRICE})) as server:
        provider = Anthropic(KEY, server.url)
        server.faults.set("model-1", "usage")
        server.play(REPLY)
        assert (await provider.complete(ask())).usage is None
        await provider.close()
    assert (by_key(read_book(file)), count(read_book(file))) == ({}, 0)
    assert read_book(file)[0]["fault"] == "usage"


async def test_connections_are_refused_for_a_time(server: WireServer, provider: Provider) -> None:
    """A refused connection is one, also for a client with an open connection; afterwards the same address answers again."""
    server.play(REPLY, REPLY)
    await provider.complete(ask())
    await server.refuse()
    assert (await failure(provider)).kind in ("connection", "cut")  # cut: the open connection was in use when it ended
    assert (await failure(provider)).kind == "connection"
    await server.accept()
    assert (await provider.complete(ask())).text == REPLY.text


async def test_a_server_that_ends_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Open connections, one without an answer and a refusal that still lasts: it ends at once, and nothing is logged."""
    async with WireServer() as server:
        idle, waiting = OpenAI(KEY, server.openai_url), Anthropic(KEY, server.url)
        server.play(REPLY, Play(silent=True))
        await idle.complete(ask())
        call = asyncio.create_task(waiting.complete(ask()))
        await server.request(1)
        await server.refuse(3600)
    with pytest.raises(ProviderError):
        await call
    await idle.close()
    await waiting.close()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_faults_are_switched_from_another_process(tmp_path: Path) -> None:
    """The server as a program takes faults at /control, refuses what is none, and its book outlives a kill."""
    script, file = tmp_path / "s.yaml", tmp_path / "book"
    script.write_text("conversations: [{agent: writer, turns: [{raw: x}]}]")
    more = ["--book", str(file), "--price", "*=1000000/2000000"]
    command = [sys.executable, "-m", "tests.wire.server", "--script", str(script), *more]
    with children.started(*command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split(",")[0].rpartition(" ")[2]
        assert control(url, model="model-1", fault="credit")["model-1"]["fault"] == "credit"
        with pytest.raises(OSError, match="400"):
            control(url, fault="bored")
        provider = Anthropic(KEY, url)
        assert (await failure(provider)).kind == "credit"
        assert control(url, model="model-1", fault=None) == {}
        assert (await provider.complete(ask())).text == "x"
        control(url, refuse_s=3)
        refused: list[ErrorKind] = []

        async def accepted() -> bool | None:
            try:
                return bool(await provider.complete(ask()))
            except ProviderError as error:
                refused.append(error.kind)
                return None

        await until(accepted, "the server listens again")
        # "cut" is what a kept connection may say first, where its end has not been noticed yet.
        assert set(refused) - {"cut"} == {"connection"}
        await provider.close()
        os.kill(process.pid, signal.SIGKILL)
    assert [line["status"] for line in read_book(file)] == [402, 200, 200]
    assert count(read_book(file)) > 0
