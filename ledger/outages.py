"""Outages of the database or the artifact folder: one error that says why and what to do.

Callers may retry for as long as it takes: either nothing of the transaction took effect or all of it did, and every function
of the ledger is safe to run again after its commit.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from contracts.errors import LedgerUnavailable

FAILED_COMMIT: tuple[type[Exception], ...] = (LedgerUnavailable, DBAPIError, sqlite3.Error)
"""All that a transaction may end with because of the database."""

_LOCKED = "end what keeps it locked (a backup, a shell with an open transaction), or wait for it"
_FULL = "make room on the disk that it lies on"
_READ_ONLY = "give this user the right to write there, or point `ledger_url` to the database that accepts writes"
_DISK = "check the disk: is it full, over its quota, or failing?"
_REACH = "start the database, or correct `ledger_url`"
_CONFLICT = "too many transactions conflict at once"
_CONNECTIONS = (
    "free connections (pg_stat_activity lists them), or raise max_connections, a CONNECTION LIMIT or the pooler's; a worker "
    "takes up to 13, a pooler such as PgBouncer makes do with fewer"
)
_RIGHTS = "GRANT this role what it lacks, or name the tables' owner in `ledger_url`"
_POOLER = "a pooler mixes up the statements of its clients: its pool_mode has to be transaction or session"
_SLOW = "raise this role's statement_timeout (ALTER ROLE … SET statement_timeout), and see what makes the database slow"
_WHO = "correct user and password in `ledger_url`"
_LET_IN = "let this role in: GRANT CONNECT ON DATABASE … TO …, as the database's owner, and ALTER ROLE … LOGIN"
_HBA = "let this user in from this machine (the server's pg_hba.conf), or correct `ledger_url`"
_SWITCHED_OFF = "let it take connections again (ALTER DATABASE … ALLOW_CONNECTIONS true, or the pooler's own console)"
_OPTIONS = (
    "a pooler takes no `options` from its clients: leave them out of `ledger_url`, and set them for the role (ALTER ROLE … "
    "SET search_path = …)"
)
_STARTING = "wait until it is there; if that lasts, its own log says why"
_ENCODING = "name a database in `ledger_url` that can hold every text (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)"
_WHERE = "create it (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0), or correct its name in `ledger_url`"

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
    "26000": _POOLER,
    "28": _WHO,
    "3D000": _WHERE,
    "40": _CONFLICT,
    "42501": _RIGHTS,
    "42P05": _POOLER,
    "53100": _FULL,
    "53300": _CONNECTIONS,
    "53": "give the database server more memory",
    "55006": _LOCKED,
    "55P03": _LOCKED,
    "57014": _SLOW,
    "57P": _REACH,
    "58": _DISK,
}
"""What is waited for, and what mends it, by SQLSTATE or its class; PostgreSQL's manual lists them in its appendix A."""

_SAID = (
    (
        r"too many connections|too many clients|remaining connection slots|no more connections allowed|query_wait_timeout",
        _CONNECTIONS,
    ),
    (r"permission denied for database|is not permitted to log in", _LET_IN),
    (r"not currently accepting connections|does not allow connections", _SWITCHED_OFF),
    (r"unsupported startup parameter", _OPTIONS),
    (r"authentication failed|no password supplied|role .* does not exist|no such user", _WHO),
    (r"database .* does not exist|no such database", _WHERE),
    (r"conversion between \S+ and \S+ is not supported", _ENCODING),
    (r"statement pooling mode", _POOLER),
    (r"no pg_hba.conf entry|pg_hba.conf rejects", _HBA),
    (r"failed to resolve host|could not translate host name", "correct the host in `ledger_url`"),
    (r"invalid \w+ value|invalid port|certificate|does not support SSL", "correct what `ledger_url` says of the connection"),
    # Last: a pooler says it around the server's own words.
    (r"the database system is |pgbouncer is shutting down|pgbouncer cannot connect|server_login_retry", _STARTING),
)
"""The same for refused connections, which come without an SQLSTATE, by the server's or pooler's words."""


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
    return LedgerUnavailable(f"the ledger cannot be used: {told(error)}; {mend} (`baton doctor` checks it)")


def told(error: Exception) -> str:
    """The first line of what the database said: those below it can hold what was to be written."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:300].rstrip(".")


def folder_unavailable(folder: Path, error: OSError, what: str = "artifact folder") -> LedgerUnavailable:
    """The same error for a folder of the ledger's."""
    reason = error.strerror or type(error).__name__
    return LedgerUnavailable(
        f"the ledger's {what} {folder} cannot be used: {reason}; make room there, and let this user write to it"
    )


def _mend(cause: object, *, lost: bool) -> str | None:
    if isinstance(cause, sqlite3.Error):
        return _SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(cause, "sqlstate", None) or ""
    # A connection that broke, or was never made, has no SQLSTATE; a pooler's own errors have one that says too little.
    if (not state and type(cause).__name__ == "OperationalError") or state[:2] == "08":
        words = str(cause)
        return next((mend for said, mend in _SAID if re.search(said, words)), _REACH)
    # The whole code, then 57P (the server is shutting down or starting), then the class.
    for known in (state, state[:3], state[:2]):
        if known in _POSTGRESQL:
            return _POSTGRESQL[known]
    return _REACH if lost else None
