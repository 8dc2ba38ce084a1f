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
        self._real = ledger.tx_now
        self._current = threading.local()
        ledger.tx_now = self._tx_now  # type: ignore[method-assign]
        event.listen(ledger.engine, "commit", self._commit)

    def _tx_now(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        name = function.__qualname__.removesuffix(".<lambda>")
        self._current.name, self._current.fault = name, self._decide(name, self._seen[name])
        self._seen[name] += 1
        try:
            return self._real(function, *args, **kwargs)
        finally:
            self._current.fault = ""

    def _commit(self, connection: Connection) -> None:
        """Runs in place of the commit's beginning: what it raises is what the caller of the commit sees."""
        fault: Fault = getattr(self._current, "fault", "")
        if not fault:
            return
        self._current.fault = ""
        self.landed[self._current.name, fault] += 1
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.commit() if fault == "after" else driver.rollback()
        postgresql = connection.dialect.name == "postgresql"
        connection.invalidate()
        raise OperationalError("COMMIT", {}, _died(postgresql=postgresql), connection_invalidated=True)


def _died(*, postgresql: bool) -> Exception:
    if postgresql:
        return psycopg.OperationalError("server closed the connection unexpectedly")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error
