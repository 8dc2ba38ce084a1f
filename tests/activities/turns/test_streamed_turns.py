"""A turn that is streamed: seen in the activity's heartbeats while it is written, kept in part when a limit ends its call."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.turns.partial import BROKEN
from contracts.conversation import ModelReply, Usage
from ledger import artifacts
from ledger import turns as stored
from tests.activities.turns.calling import Calling, calling
from tests.children import PATIENCE
from tests.wire.server import Play, WireServer
from tests.wire.streams import started, streamed
from tests.wire.vendors import completion

STREAMED = {"capabilities": {"stream": True}}
FINISHED = "I have found two of the three places."
HALF = "The first place is at line 7"
WHOLE = completion({"role": "assistant", "content": FINISHED}, model="test")


async def beats_until(world: Calling, trace: str, wanted: int, go: asyncio.Event) -> list[Any]:
    """The details of a call's heartbeats; `go` is set with the first one that shows so many characters."""
    environment = ActivityEnvironment()
    seen: list[Any] = []

    def beat(*details: Any) -> None:
        seen.extend(details)
        if any(one.get("characters") == wanted for one in details):
            go.set()

    environment.on_heartbeat = beat
    async with asyncio.timeout(PATIENCE):
        await environment.run(world.call_model, world.request(trace))
    return seen


async def test_heartbeats_show_what_is_written(sqlite_url: str, tmp_path: Path) -> None:
    """The model and how much there is, while the stream goes on, and nothing of its content."""
    go = asyncio.Event()
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, table=STREAMED) as world:
        server.play(Play(pieces=[started("chat", HALF), go, streamed("chat", WHOLE)]))
        seen = await beats_until(world, "one", len(HALF), go)
    shown = {"model": "openai:test", "characters": len(HALF), "tokens": 7}
    assert shown in seen
    assert [sorted(one) for one in seen] == [["characters", "model", "tokens"]] * len(seen)


async def test_a_call_that_is_not_streamed_shows_its_model(sqlite_url: str, tmp_path: Path) -> None:
    """A running turn is seen in Temporal, whichever endpoint it asks."""
    go = asyncio.Event()
    async with WireServer() as server, calling(sqlite_url, tmp_path, server) as world:
        server.play(Play(pieces=[go, b'{"choices": [{"message": {"content": "so"}}]}']))
        seen = await beats_until(world, "one", 0, go)
    assert {"model": "openai:test", "characters": 0, "tokens": 0} in seen


async def test_the_stored_turn_is_the_same_as_without(sqlite_template: Path, tmp_path: Path) -> None:
    """Reply, money and what is kept of it."""
    turns, money = [], []
    tables: list[dict[str, Any]] = [{}, STREAMED]
    for number, table in enumerate(tables):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(sqlite_template, folder / "ledger.db")
        url = f"sqlite:///{folder / 'ledger.db'}"
        async with WireServer() as server, calling(url, folder, server, table=table) as world:
            server.play(Play(pieces=[streamed("chat", WHOLE)]) if table else Play(WHOLE))
            turns.append(await world.call(world.request("one")))
            money.append(world.money)
            (row,) = world.turns
            assert FINISHED in str(stored.reply_of(row).text)
    assert turns[0] == turns[1]
    assert money[0] == money[1]


@pytest.mark.parametrize("how", ["silent", "cut"])
async def test_what_was_written_before_a_call_failed_is_kept(sqlite_url: str, tmp_path: Path, how: str) -> None:
    """As an artifact of the run that people and tools can read; the call is charged like any whose reply was lost."""
    table: dict[str, Any] = STREAMED | {"idle_timeout": "PT1S"}
    pieces = [started("chat", HALF), *([asyncio.Event()] if how == "silent" else [])]
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, table=table) as world:
        server.play(Play(pieces=pieces), ModelReply(text=FINISHED, stop="end", model="test", usage=Usage(input=9, output=9)))
        with pytest.raises(ApplicationError) as caught:
            await world.call(world.request("one"))
        seen = world.ledger.read_now(artifacts.seen_in, "one")
        charged = world.money
        later = await world.call(world.request("one"))
        read = {name: world.ledger.read_now(artifacts.get, world.ledger.files, digest) for _, name, digest in seen}
    assert caught.value.type == ("timeout" if how == "silent" else "cut")
    assert read[BROKEN.format(model="openai:test")].decode() == HALF
    assert all(held == 0 and spent > 0 for spent, held in charged.values())
    assert later.partial is None


async def test_a_call_that_failed_before_a_word_keeps_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """Also if a call before it, of the same activity, had said something."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server, table=STREAMED) as world:
        server.play(Play(status=500, error="no"))
        with pytest.raises(ApplicationError):
            await world.call(world.request("one"))
        names = [name for _, name, _ in world.ledger.read_now(artifacts.seen_in, "one")]
    assert BROKEN.format(model="openai:test") not in names
