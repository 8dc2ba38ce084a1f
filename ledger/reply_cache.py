"""Replies that were paid for once and may answer an equal call again, until their time is over."""

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
    """The kept reply of this project under this digest, or None where there is none that is still good."""
    return _FIND.first(connection, wanted=digest, of=project, now=now)


@dataclass(frozen=True)
class NewReply:
    """A reply as it is kept, once: what it answers, who gave it, the turn that paid for it, and until when it is good."""

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
    """Keep a reply. False where one is there under its digest: that one stands."""
    return insert_once(connection, cached_reply, **vars(new))


def drop_expired(connection: Connection, now: int) -> None:
    """Remove the replies whose time is over."""
    connection.execute(delete(cached_reply).where(cached_reply.c.expires_at <= now))
