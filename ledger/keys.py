"""Keys that were revoked. Which keys people have is in the policy; a revocation counts at once, and for ever."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ledger import policies, seals
from ledger.db import from_us, insert_once, now_us
from ledger.tables import revoked_key


@dataclass(frozen=True)
class Revoked:
    """A revocation: the key's id, who revoked it, when and why."""

    key: str
    by: str
    why: str
    at: datetime


def revoke(connection: Connection, key: str, by: str, why: str) -> bool:
    """Revoke the key with this id. False if it was revoked before: that revocation stands. Safe to call twice.

    The caller writes a feed line about it with `policies.tell`, which seals the row.
    """
    seals.touch(connection, policies.ITSELF.trace, "key", key)
    return insert_once(connection, revoked_key, key=key, by=by, why=why, at=now_us())


def revocation(connection: Connection, key: str) -> Revoked | None:
    """The revocation of the key with this id; None if it was not revoked."""
    row = connection.execute(select(revoked_key).where(revoked_key.c.key == key)).first()
    return None if row is None else _revoked(row)


def revocations(connection: Connection) -> dict[str, Revoked]:
    """All revocations by key id, oldest first."""
    return {row.key: _revoked(row) for row in connection.execute(select(revoked_key).order_by(revoked_key.c.at))}


def _revoked(row: Row[Any]) -> Revoked:
    return Revoked(row.key, row.by, row.why, from_us(row.at))
