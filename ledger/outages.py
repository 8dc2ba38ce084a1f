"""When the database or the artifact folder cannot be used: one error that says why and what to do.

Everybody who meets it may try again later, for as long as it takes: nothing of the transaction was done, or all of it was,
and every function of the ledger can run again after it was committed.
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
_READ_ONLY = "give this user the right to write there, or point `ledger_url` to the database that takes writes"
_DISK = "look at the disk: is it full, over its quota, or failing?"
_REACH = "start the database, or correct `ledger_url`"

_SQLITE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_CANTOPEN: "look at its folder: is it there, and may this user write in it?",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
}

_POSTGRESQL = {
    "08": _REACH,
    "25006": _READ_ONLY,
    "25P03": "this process was stopped or too slow in the middle of a transaction; the database undid it",
    "40001": "too much is going on at once",
    "40P01": "too much is going on at once",
    "53100": _FULL,
    "53": "give the database server more memory or connections",
    "55P03": _LOCKED,
    "57P": _REACH,
    "58": _DISK,
}
"""By SQLSTATE or its class; PostgreSQL's manual lists them in its appendix A."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raise `LedgerUnavailable` in place of a driver's error that says the same; all other errors pass."""
    try:
        yield
    except NoConnectionFree:
        raise LedgerUnavailable(
            "the ledger cannot be used: all connections of this process are busy; it is tried again"
        ) from None
    except (DBAPIError, sqlite3.Error) as error:  # SQLite reads its rows, and their faults, when they are fetched
        known = unavailable(error)
        if known is None:
            raise
        # Not chained: the driver's error carries the statement, and Temporal would keep it with its whole chain.
        raise known from None


def unavailable(error: DBAPIError | sqlite3.Error) -> LedgerUnavailable | None:
    """What a driver's error says about the database; None for one that trying again does not mend."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    mend = _mend(cause, lost=lost)
    if mend is None:
        return None
    said = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:300].rstrip(".")
    return LedgerUnavailable(f"the ledger cannot be used: {said}; {mend} (`baton doctor` looks at it)")


def folder_unavailable(folder: Path, error: OSError) -> LedgerUnavailable:
    """The artifact folder cannot be used, in the same words."""
    reason = error.strerror or type(error).__name__
    return LedgerUnavailable(
        f"the ledger's artifact folder {folder} cannot be used: {reason}; make room there, and let this user write in it"
    )


def _mend(cause: object, *, lost: bool) -> str | None:
    if isinstance(cause, sqlite3.Error):
        return _SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(cause, "sqlstate", None) or ""
    for known in (state, state[:3], state[:2]):
        if known in _POSTGRESQL:
            return _POSTGRESQL[known]
    # A connection that broke, or was never made, has no SQLSTATE.
    return _REACH if lost or (not state and type(cause).__name__ == "OperationalError") else None
