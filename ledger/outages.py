"""Outages of the database or the artifact folder: one error that says why and what to do.

Callers may retry for as long as it takes: either nothing of the transaction took effect or all of it did, and every function
of the ledger is safe to run again after its commit.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from contracts.errors import LedgerUnavailable

_LOCKED = "end what keeps it locked (a backup, a shell with an open transaction), or wait for it"
_FULL = "make room on the disk"
_READ_ONLY = "give this user the right to write there, or point `ledger_url` to the database that accepts writes"
_DISK = "check the disk: is it full, over its quota, or failing?"
_REACH = "start the database, or correct `ledger_url`"

_SQLITE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_CANTOPEN: "check its folder: does it exist, and may this user write to it?",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
}

_POSTGRESQL = {
    "08": _REACH,
    "25006": _READ_ONLY,
    "25P03": "this process was stopped or too slow inside a transaction; the database rolled it back",
    "40001": "too many transactions conflict at once",
    "40P01": "too many transactions conflict at once",
    "53100": _FULL,
    "53": "give the database server more memory or connections",
    "55P03": _LOCKED,
    "57P": _REACH,
    "58": _DISK,
}
"""By SQLSTATE or its class; PostgreSQL's manual lists them in its appendix A."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raise `LedgerUnavailable` in place of driver errors that mean an outage; all other errors pass."""
    try:
        yield
    except NoConnectionFree:
        raise LedgerUnavailable(
            "the ledger cannot be used: all connections of this process are busy; the call is retried"
        ) from None
    except (DBAPIError, sqlite3.Error) as error:  # SQLite reads rows, and meets errors, when they are fetched
        known = unavailable(error)
        if known is None:
            raise
        # Not chained: the driver's error holds the statement, and Temporal would store the whole chain.
        raise known from None


def unavailable(error: DBAPIError | sqlite3.Error) -> LedgerUnavailable | None:
    """The outage that a driver's error means; None if a retry cannot help."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    mend = _mend(cause, lost=lost)
    if mend is None:
        return None
    said = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:300].rstrip(".")
    return LedgerUnavailable(f"the ledger cannot be used: {said}; {mend} (`baton doctor` checks it)")


def folder_unavailable(folder: Path, error: OSError) -> LedgerUnavailable:
    """The same error for the artifact folder."""
    reason = error.strerror or type(error).__name__
    return LedgerUnavailable(
        f"the ledger's artifact folder {folder} cannot be used: {reason}; make room there, and let this user write to it"
    )


def _mend(cause: object, *, lost: bool) -> str | None:
    if isinstance(cause, sqlite3.Error):
        return _SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(cause, "sqlstate", None) or ""
    # The whole code, then 57P (the server is shutting down or starting), then the class.
    for known in (state, state[:3], state[:2]):
        if known in _POSTGRESQL:
            return _POSTGRESQL[known]
    # A connection that broke, or was never made, has no SQLSTATE.
    return _REACH if lost or (not state and type(cause).__name__ == "OperationalError") else None
