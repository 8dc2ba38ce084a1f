"""A ledger whose commits get lost: the database committed and the answer did not arrive, or it did not commit."""

import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import psycopg
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from ledger.db import Ledger

Fault = Literal["", "after", "before"]
"""Nothing; the connection dies after the commit; it dies before."""

Decide = Callable[[str, int], Fault]
"""By the name of the function that is committed, and how often it was before."""


def every_other(fault: Fault) -> Decide:
    """Of each kind of transaction every other commit meets the fault, from the first: each is done, and then done again.

    Only the first claim of an action does: the attempt after it waits for the lease and must get it then.
    """
    return lambda name, number: fault if number % 2 == 0 and (name != "claim" or number == 0) else ""


def at_random(seed: int) -> Decide:
    """Half of all commits but claims meet one of the two faults, never more than three times in a row."""
    dice, row = random.Random(seed), Counter[str]()

    def decide(name: str, _number: int) -> Fault:
        fault: Fault = dice.choice(("", "", "after", "before"))
        row[name] = row[name] + 1 if fault and row[name] < 3 else 0
        return fault if row[name] and name != "claim" else ""

    return decide


class LostCommits:
    """Wraps a ledger from now on. `landed` counts the faults, by function and kind."""

    def __init__(self, ledger: Ledger, decide: Decide) -> None:
        self.landed: Counter[tuple[str, str]] = Counter()
        self._seen: Counter[str] = Counter()
        self._decide = decide
        self._tx, self._tx_now = ledger.tx, ledger.tx_now
        self._current = threading.local()
        ledger.tx = self._later  # type: ignore[method-assign]
        ledger.tx_now = self._now  # type: ignore[method-assign]
        event.listen(ledger.engine, "begin", self._begin)
        event.listen(ledger.engine, "commit", self._commit)

    async def _later(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._tx(_Watched(function, self._run), *args, **kwargs)

    def _now(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        watched = function if isinstance(function, _Watched) else _Watched(function, self._run)
        return self._tx_now(watched, *args, **kwargs)

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """One part of a transaction, of which there may be several: the first that is to meet a fault decides for all."""
        name = function.__qualname__.removesuffix(".<lambda>")
        fault = self._decide(name, self._seen[name])
        self._seen[name] += 1
        result = function(*args, **kwargs)
        if fault and not self._current.due:
            self._current.due = (name, fault)
        return result

    def _begin(self, _: Connection) -> None:
        self._current.due = None

    def _commit(self, connection: Connection) -> None:
        """Runs in place of the commit's beginning: what it raises is what the caller of the commit sees."""
        due: tuple[str, Fault] | None = getattr(self._current, "due", None)
        if due is None:
            return
        self._current.due = None
        self.landed[due] += 1
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.commit() if due[1] == "after" else driver.rollback()
        postgresql = connection.dialect.name == "postgresql"
        connection.invalidate()
        raise OperationalError("COMMIT", {}, _died(postgresql=postgresql), connection_invalidated=True)


class _Watched:
    """A function of a transaction, run by way of the one that watches it."""

    def __init__(self, function: Callable[..., Any], run: Callable[..., Any]) -> None:
        self.__qualname__ = function.__qualname__
        self._function, self._run = function, run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(self._function, *args, **kwargs)


def _died(*, postgresql: bool) -> Exception:
    if postgresql:
        return psycopg.OperationalError("server closed the connection unexpectedly")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error
