"""What this process has stored a moment ago, by digest, so that it need not ask the database for its own words.

Only of what never changes once it is there: bytes, handoffs and pins. It is known once it is committed, for a while, and as
long as the database's connections live: a database that was restored is reached by new ones.
"""

import functools
import time
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from ledger import afterwards

KNOWN = 600.0
"""Seconds after which it is asked for again. Far below the day for which retention leaves what is stored."""

MOST = 2000
"""Most things that a process knows of one ledger; a handoff has at most 64 KiB."""

_Key = tuple[str, str]
_known: WeakKeyDictionary[Engine, dict[_Key, tuple[float, Any]]] = WeakKeyDictionary()


def get(connection: Connection, kind: str, key: str) -> Any:
    """What was kept under this key; None if nothing was, or it is too long ago."""
    return of(connection.engine, kind, key)


def of(engine: Engine, kind: str, key: str) -> Any:
    """As `get`, of a ledger's engine, for who has no connection at hand."""
    until, value = _known.get(engine, {}).get((kind, key), (0.0, None))
    return value if time.monotonic() < until else None


def keep(connection: Connection, kind: str, key: str, value: Any) -> None:
    """Remember it once this transaction is committed."""
    afterwards.call(connection, functools.partial(_keep, connection.engine, (kind, key), value))


def forget(engine: Engine) -> None:
    """Forget everything about this ledger: its database may be another one than before."""
    _known.pop(engine, None)


def _keep(engine: Engine, key: _Key, value: Any) -> None:
    known = _known.setdefault(engine, {})
    # All at once: whatever is forgotten is read again.
    if len(known) >= MOST:
        known.clear()
    known[key] = (time.monotonic() + KNOWN, value)
