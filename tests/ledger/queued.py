"""Transactions that are handed over while the writer is busy, so that they wait for it together."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event, select

from ledger import runs
from ledger.db import Ledger
from ledger.tables import counter
from tests.children import PATIENCE


class Commits:
    """Counts the transactions that an engine commits."""

    def __init__(self, ledger: Ledger) -> None:
        self.count = 0
        event.listen(ledger.engine, "commit", self._one)

    def _one(self, _: Connection) -> None:
        self.count += 1


async def together(ledger: Ledger, calls: list[Callable[[Connection], Any]]) -> list[Any]:
    """What each returned or raised, all of them handed over while the writer is busy with another transaction."""
    begun, go_on = threading.Event(), threading.Event()

    def busy(_: Connection) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    first = asyncio.create_task(ledger.tx(busy))
    await asyncio.to_thread(begun.wait, PATIENCE)
    rest = [asyncio.create_task(ledger.tx(call)) for call in calls]
    await asyncio.sleep(0)  # all are handed over now
    go_on.set()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


def counts(connection: Connection) -> dict[str, int]:
    """Every counter that a test has made, with its value."""
    return {row.name: row.value for row in connection.execute(select(counter)) if row.name.startswith("t-")}


def adds(name: str) -> Callable[[Connection], int]:
    """A transaction that counts one up."""
    return lambda connection: runs.next_number(connection, f"t-{name}")


def fails(name: str) -> Callable[[Connection], int]:
    """One that counts up and fails afterwards."""

    def call(connection: Connection) -> int:
        runs.next_number(connection, f"t-{name}")
        raise ValueError(name)

    return call
