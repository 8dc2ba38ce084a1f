"""Two or more transactions at the same time: really at once, or one held open while the other runs into it."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from ledger.db import Ledger
from tests.children import PATIENCE

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


def at_once(call: Callable[[A], T], given: Sequence[A]) -> list[T | Exception]:
    """Call once for each argument, in threads that start together. What each returned or raised, in their order."""
    barrier = threading.Barrier(len(given))

    def run(argument: A) -> T | Exception:
        barrier.wait(PATIENCE)
        try:
            return call(argument)
        except Exception as error:  # noqa: BLE001 - it is the outcome that a test looks at
            return error

    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(run, given))


def overlapped(ledger: Ledger, first: Callable[[Connection], A], second: Callable[[Connection], B]) -> tuple[A, B]:
    """Run `second` while `first` has done its work and not committed yet; then let both commit.

    On PostgreSQL `second` has really met the first one's locks, or finished, before the first commits. On SQLite it waits
    for its turn to begin.
    """
    with ThreadPoolExecutor(1) as pool:
        with ledger.engine.begin() as connection:
            done = first(connection)
            later = pool.submit(ledger.tx_now, second)
            until_it_waits(ledger, later)
        return done, later.result(PATIENCE)


def until_it_waits(ledger: Ledger, later: "Future[Any]") -> None:
    """Wait until `later`, which another thread does, waits for a lock or has ended; on SQLite there is nothing to wait for."""
    if ledger.engine.dialect.name == "sqlite":
        return
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    ends = time.monotonic() + PATIENCE
    while not later.done() and not ledger.read_now(lambda connection: connection.execute(waiting).scalar()):
        assert time.monotonic() < ends, "the second transaction neither waited nor ended"
        time.sleep(0.005)
