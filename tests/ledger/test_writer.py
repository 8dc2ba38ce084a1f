"""Transactions that share a commit: each stands or falls alone, and nobody is answered before the commit."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from contracts.errors import LedgerUnavailable
from ledger import afterwards, db, seals, writer
from ledger.db import Ledger
from tests.children import PATIENCE
from tests.ledger.queued import Commits, adds, counts, fails, together

pytestmark = pytest.mark.usefixtures("patient")


async def test_those_that_wait_at_the_same_moment_share_a_commit(shared: Ledger) -> None:
    """Ten that are queued take one commit beside the one that they waited for; each gets its own answer, in its turn."""
    commits = Commits(shared)
    assert await together(shared, [adds("a")] * 10) == list(range(1, 11))
    assert commits.count == 2
    assert shared.read_now(counts) == {"t-a": 10}


async def test_nothing_waits_for_company(shared: Ledger) -> None:
    """One after the other, each has a commit of its own."""
    commits = Commits(shared)
    for number in range(3):
        assert await shared.tx(adds("a")) == number + 1
    assert commits.count == 3


async def test_postgresql_shares_nothing(postgres_url: str, tmp_path: Path) -> None:
    """There a transaction holds locks on rows that other workers wait for, and an error in one would end them all."""
    ledger = Ledger(postgres_url, tmp_path / "artifacts")
    try:
        commits = Commits(ledger)
        assert await together(ledger, [adds("a")] * 4) == [1, 2, 3, 4]
        assert commits.count == 5
    finally:
        ledger.close()


async def test_one_that_fails_takes_nobody_with_it(shared: Ledger) -> None:
    """Its own part is undone and its own caller gets the error; those before and after it are committed."""
    found = await together(shared, [adds("a"), fails("a"), adds("a"), fails("b"), adds("b")])
    assert [one if isinstance(one, int) else str(one) for one in found] == [1, "a", 2, "b", 1]
    assert shared.read_now(counts) == {"t-a": 2, "t-b": 1}


async def test_what_a_failed_part_has_left_for_later_is_forgotten(shared: Ledger) -> None:
    """Neither the seals that it owed nor what it wanted to be done after the commit reach anybody else's part."""
    done: list[str] = []

    def touches(name: str, *, fail: bool) -> Callable[[Connection], list[str]]:
        def call(connection: Connection) -> list[str]:
            owed = [*connection.info["baton_touched"]]
            seals.touch(connection, name, "key", name)
            afterwards.call(connection, lambda: done.append(name))
            assert name not in done  # nothing is committed yet
            if fail:
                raise ValueError(name)
            return owed

        return call

    found = await together(shared, [touches("a", fail=False), touches("b", fail=True), touches("c", fail=False)])
    assert found[0] == found[2] == []
    assert isinstance(found[1], ValueError)
    assert done == ["a", "c"]


async def test_a_failed_commit_is_everybodys(shared: Ledger) -> None:
    """All of them get its error, nothing of any is there, and nothing is done afterwards; the next transaction works."""
    done: list[int] = []

    def make(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE t_one (id integer PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE t_two (one integer REFERENCES t_one(id) DEFERRABLE INITIALLY DEFERRED)")

    def dangles(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO t_two VALUES (7)")  # found at the commit only
        afterwards.call(connection, lambda: done.append(1))

    shared.tx_now(make)
    found = await together(shared, [adds("a"), dangles, fails("a"), adds("b")])
    assert [type(one) for one in found] == [IntegrityError] * 4
    assert shared.read_now(counts) == {}
    assert done == []
    assert await shared.tx(adds("a")) == 1


async def test_a_transaction_that_sqlite_has_undone_is_begun_again_by_each_alone(shared: Ledger) -> None:
    """After an error that rolls back everything, those that were done already are not told that they were: they are run
    again, and the one that met it alone gets it."""
    commits = Commits(shared)

    def breaks(connection: Connection) -> None:
        driven: Any = connection.connection.dbapi_connection
        driven.rollback()  # as SQLite does by itself on a full disk
        raise sqlite3.OperationalError("as if the disk were full")

    found = await together(shared, [adds("a"), breaks, adds("a")])
    assert [found[0], found[2]] == [1, 2]
    assert isinstance(found[1], sqlite3.OperationalError)
    assert shared.read_now(counts) == {"t-a": 2}
    assert commits.count == 3


async def test_a_lost_transaction_that_nobody_complained_of_is_noticed(shared: Ledger) -> None:
    """A function that swallows the error does not make its neighbours believe that they were committed."""
    first = True

    def swallows(connection: Connection) -> None:
        nonlocal first
        if first:
            first = False
            driven: Any = connection.connection.dbapi_connection
            driven.rollback()

    assert await together(shared, [adds("a"), swallows, adds("a")]) == [1, None, 2]
    assert shared.read_now(counts) == {"t-a": 2}


async def test_a_cancelled_member_is_committed_with_the_others(shared: Ledger) -> None:
    """Whoever does not wait any more is served all the same, and keeps no answer from the others."""
    begun, go_on = threading.Event(), threading.Event()

    def busy(_: Connection) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    first = asyncio.create_task(shared.tx(busy))
    await asyncio.to_thread(begun.wait, PATIENCE)
    gone, stays = asyncio.create_task(shared.tx(adds("gone"))), asyncio.create_task(shared.tx(adds("stays")))
    failing = asyncio.create_task(shared.tx(fails("failing")))
    await asyncio.sleep(0)
    gone.cancel()
    failing.cancel()
    go_on.set()
    assert await stays == 1
    for one in (gone, failing):
        with pytest.raises(asyncio.CancelledError):
            await one
    await first
    assert shared.read_now(counts) == {"t-gone": 1, "t-stays": 1}


@pytest.mark.parametrize(("most", "longest", "commits"), [(4, 60.0, 4), (32, 0.0, 11)])
async def test_a_commit_is_shared_by_so_many_and_for_so_long(
    shared: Ledger, monkeypatch: pytest.MonkeyPatch, most: int, longest: float, commits: int
) -> None:
    """Ten wait: by fours they take three commits; where no time is left after the first, each has its own."""
    monkeypatch.setattr(writer, "MOST", most)
    monkeypatch.setattr(writer, "LONGEST", longest)
    counted = Commits(shared)
    assert await together(shared, [adds("a")] * 10) == list(range(1, 11))
    assert counted.count == commits


async def test_a_locked_database_is_told_to_all_that_wait_for_it(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for the other process once, together; afterwards nothing of them is there, and the next one works."""
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.1)
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    other = sqlite3.connect(ledger.engine.url.database or "", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        found = await asyncio.gather(*(ledger.tx(adds("a")) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in found] == [LedgerUnavailable] * 3
        other.execute("ROLLBACK")
        assert await ledger.tx(adds("a")) == 1
    finally:
        other.close()
        ledger.close()


async def test_others_find_the_lock_free_between_shared_commits(shared: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each shared commit the writer pauses, so that who looks now and then finds the lock free; after others it does
    not."""
    pauses: list[float] = []
    real = time.sleep

    def slept(seconds: float) -> None:
        if threading.current_thread().name.startswith("ledger-writer"):
            pauses.append(seconds)
        real(seconds)

    monkeypatch.setattr(time, "sleep", slept)
    monkeypatch.setattr(writer, "MOST", 2)
    await together(shared, [adds("a")] * 4)
    await asyncio.to_thread(shared.close)  # the last pause comes after the answers
    assert pauses == [writer.PAUSE] * 2


async def test_an_error_that_no_future_takes_keeps_nobody_waiting(shared: Ledger) -> None:
    """StopIteration becomes an error of its own, and those behind it get their answers."""

    def stops(_: Connection) -> None:
        raise StopIteration

    found = await together(shared, [stops, adds("a")])
    assert isinstance(found[0], RuntimeError)
    assert found[1] == 1
