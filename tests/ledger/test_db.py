"""Transactions: committed whole or not at all, also when nobody waits for them any more."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from ledger import runs
from ledger.db import Ledger, from_us, insert_once, plain, to_us
from ledger.tables import counter
from tests.children import PATIENCE
from tests.ledger.racing import at_once


def value(connection: Connection, name: str) -> int | None:
    """A counter's value."""
    return connection.execute(select(counter.c.value).where(counter.c.name == name)).scalar()


def test_an_insert_says_whether_it_inserted(ledger: Ledger) -> None:
    """True for the call that wrote the row and False for any later one, on every database: callers decide by it."""
    assert ledger.tx_now(lambda connection: insert_once(connection, counter, name="a", value=1)) is True
    assert ledger.tx_now(lambda connection: insert_once(connection, counter, name="a", value=2)) is False
    assert ledger.read_now(value, "a") == 1


def test_one_of_many_simultaneous_inserts_inserts(ledger: Ledger) -> None:
    """Of many inserts of one key at once exactly one says that it wrote the row, and that row is the one that stays."""
    said = at_once(lambda n: ledger.tx_now(lambda connection: insert_once(connection, counter, name="a", value=n)), range(8))
    assert said.count(True) == 1
    assert said.count(False) == 7
    assert ledger.read_now(value, "a") == said.index(True)


async def test_a_cancelled_caller_does_not_undo_the_commit(ledger: Ledger) -> None:
    """A transaction that has begun is committed although the task that waits for it is cancelled in the middle."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        runs.next_number(connection, "slow")
        begun.set()
        assert go_on.wait(PATIENCE)

    task = asyncio.create_task(ledger.tx(slow))
    await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await ledger.tx(value, "slow") == 1


async def test_a_cancelled_caller_that_waits_in_line_is_served_all_the_same(ledger: Ledger) -> None:
    """A transaction that was handed over and has not begun yet is committed, too: a settlement must not get lost."""
    go_on = threading.Event()
    first = asyncio.create_task(ledger.tx(lambda connection: go_on.wait(PATIENCE)))
    second = asyncio.create_task(ledger.tx(runs.next_number, "queued"))
    await asyncio.sleep(0)  # both are handed over now
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    assert await first
    assert await ledger.tx(value, "queued") == 1


async def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    """An error in the middle undoes all of it and reaches the caller; the next transaction works."""

    def fails(connection: Connection) -> None:
        runs.next_number(connection, "failed")
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        await ledger.tx(fails)
    assert await ledger.read(value, "failed") is None
    assert await ledger.tx(runs.next_number, "failed") == 1


async def test_reading_does_not_wait_for_a_writer(ledger: Ledger) -> None:
    """While a transaction is open, a read answers with what was committed before it."""
    await ledger.tx(runs.next_number, "n")
    begun, go_on = threading.Event(), threading.Event()

    def writes(connection: Connection) -> None:
        connection.execute(update(counter).values(value=7))
        begun.set()
        assert go_on.wait(PATIENCE)

    writing = asyncio.create_task(ledger.tx(writes))
    await asyncio.to_thread(begun.wait, 30)
    assert await ledger.read(value, "n") == 1
    go_on.set()
    await writing
    assert await ledger.read(value, "n") == 7


def test_closing_twice_is_allowed(ledger: Ledger) -> None:
    """A worker that stops twice stops."""
    ledger.close()
    ledger.close()


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone(timedelta(hours=5, minutes=45)))))  # noqa: DTZ001 - hypothesis wants naive limits
def test_instants_survive_as_microseconds(instant: datetime) -> None:
    """An aware instant comes back equal, to the microsecond, in UTC."""
    back = from_us(to_us(instant))
    assert back == instant
    assert back.tzinfo is UTC


@given(st.text())
def test_text_without_nul_characters_is_kept_as_it_is(text: str) -> None:
    """Only the one character that a database refuses is written out."""
    assert "\x00" not in plain(text)
    assert plain(text) == text or "\x00" in text


@pytest.mark.parametrize("kept", [None, 0, True, b"\x00"])
def test_only_text_is_looked_at(kept: object) -> None:
    """Numbers, bytes and nothing pass as they are."""
    assert plain(kept) is kept
