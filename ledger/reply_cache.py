"""Stored replies that may be reused for identical calls until they expire."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, delete, select

from ledger.db import insert_once
from ledger.statement import Statement
from ledger.tables import cached_reply

_FIND = Statement(
    select(cached_reply).where(
        cached_reply.c.digest == bindparam("wanted"),
        cached_reply.c.project == bindparam("of"),
        cached_reply.c.expires_at > bindparam("now", type_=BigInteger),
    )
)


def find(connection: Connection, project: str, digest: str, now: int) -> Row[Any] | None:
    """The reply of this project under this digest that has not expired, or None."""
    return _FIND.first(connection, wanted=digest, of=project, now=now)


@dataclass(frozen=True)
class NewReply:
    """A reply to store: the digest of the call it answers, who gave it, the turn that paid for it, and when it expires."""

    digest: str
    project: str
    agent: str
    provider: str
    model_asked: str
    reply: str
    turn: str
    at: int
    expires_at: int


def keep(connection: Connection, new: NewReply) -> bool:
    """Store a reply. False if there is one under its digest already: that one stands."""
    return insert_once(connection, cached_reply, **vars(new))


def drop_expired(connection: Connection, now: int) -> None:
    """Delete expired replies."""
    connection.execute(delete(cached_reply).where(cached_reply.c.expires_at <= now))
