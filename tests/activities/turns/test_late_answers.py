"""An attempt that answers while the next one begins is found by it: on PostgreSQL, where the two really overlap."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from activities.turns import compaction, settlement
from contracts.errors import NotFound
from contracts.turns import Turn
from ledger.money import spend
from tests.activities.turns.calling import Calling, calling
from tests.activities.turns.test_models import COST, REPLY
from tests.children import PATIENCE
from tests.wire.server import WireServer

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class Overlap:
    """The first attempt has written its answer and commits once the second waits for it, or builds its prompt unaware of it."""

    def __init__(self, patch: pytest.MonkeyPatch, first: Calling, second: Calling) -> None:
        self._first, self._second = first, second
        self.written, self.unaware, self.ended = threading.Event(), threading.Event(), threading.Event()
        patch.setattr(settlement, "store_turn", self._held_back(settlement.store_turn))
        patch.setattr(compaction, "shortened", self._held_back_until_the_end(compaction.shortened))

    async def both(self) -> tuple[Turn, Turn]:
        """What the two attempts of one call give back."""
        request = self._first.request("trace-1")
        one = asyncio.create_task(self._first.call(request))
        one.add_done_callback(lambda _: self.ended.set())
        assert await asyncio.to_thread(self.written.wait, PATIENCE)
        other = await self._second.call(request)
        return await one, other

    def _held_back(self, store: Callable[..., Turn]) -> Callable[..., Turn]:
        def stored(connection: Connection, *given: Any) -> Turn:
            made = store(connection, *given)
            if not self.written.is_set():
                self.written.set()
                self._until_the_other_is_there()
            return made

        return stored

    def _held_back_until_the_end(self, shortened: Callable[..., Any]) -> Callable[..., Any]:
        def built(*given: Any) -> Any:
            if self.written.is_set():
                self.unaware.set()
                assert self.ended.wait(PATIENCE)
            return shortened(*given)

        return built

    def _until_the_other_is_there(self) -> None:
        ends = time.monotonic() + PATIENCE
        while not self.unaware.is_set():
            if self._first.ledger.read_now(lambda connection: connection.execute(WAITING).scalar()):
                return
            assert time.monotonic() < ends, "the second attempt neither waited nor went on"
            time.sleep(0.005)


async def overlapped(url: str, folder: Path, patch: pytest.MonkeyPatch) -> tuple[int, int, bool]:
    """How often the model was asked, what the run was charged, and whether both attempts gave back the same turn."""
    async with WireServer() as server:
        server.play(REPLY, REPLY)
        async with calling(url, folder / "one", server) as first, calling(url, folder / "two", server) as second:
            one, other = await Overlap(patch, first, second).both()
            return len(server.requests), first.money["run:trace-1"][0], one == other


async def test_an_answer_is_found_by_the_attempt_that_begins(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is answered while its next attempt begins is asked and paid for once, and both have its turn."""
    assert await overlapped(postgres_url, tmp_path, monkeypatch) == (1, COST, True)


async def test_who_looks_for_the_answer_first_pays_twice(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above is not blind: an attempt that looks for the turn first, and then for what is held, asks again."""
    lose, reserve = spend.lose_earlier, spend.reserve

    def late(connection: Connection, key: str, *given: Any, **more: Any) -> str:
        lose(connection, key)
        return reserve(connection, key, *given, **more)

    monkeypatch.setattr(spend, "lose_earlier", lambda *_: [])
    monkeypatch.setattr(spend, "reserve", late)
    assert await overlapped(postgres_url, tmp_path, monkeypatch) == (2, 2 * COST, True)


async def test_a_conversation_whose_last_turn_is_gone_is_not_begun_anew(sqlite_url: str, tmp_path: Path) -> None:
    """A turn goes on from one that the ledger has not: nobody is asked the first prompt again under another key."""
    async with WireServer() as server, calling(sqlite_url, tmp_path, server) as made:
        with pytest.raises(NotFound, match="there is no turn ffffffffffff… in the ledger"):
            await made.call(made.request("trace-1", head="f" * 64))
        assert (server.requests, made.turns) == ([], [])
        assert {held for _, held in made.money.values()} <= {0}
