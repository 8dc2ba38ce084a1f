"""Messages as operators see them: what was sent to which channel, what was not, and which channels are in trouble."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from contracts.errors import Ambiguous, NotFound
from ledger.channels import UNSETTLED
from ledger.db import from_us, server_us
from ledger.tables import addressed, channel, message, notice

SHORTEST = 4
"""Fewest characters of an id that may stand for it."""


@dataclass(frozen=True)
class Sent:
    """One message. `receivers` is who gets it, or its target; `next_at` is None where no attempt is to come.

    `reference` is the receiver's own id for it; `problem` is of the last attempt that failed.
    """

    id: str
    channel: str
    how: str
    target: str
    receivers: str
    title: str
    notices: int
    state: str
    tries: int
    problem: str
    reference: str
    at: datetime
    updated_at: datetime
    next_at: datetime | None


@dataclass(frozen=True)
class About:
    """One notice of a message."""

    seq: int
    kind: str
    run: str
    about: str
    at: datetime


@dataclass(frozen=True)
class Trouble:
    """How a channel stands. `failing_since` is None while it works; `waiting` counts notices that no message has yet."""

    channel: str
    kind: str
    target: str
    failing_since: datetime | None
    problem: str
    sent_at: datetime | None
    seen_at: datetime
    dead: int
    open: int
    waiting: int

    @property
    def is_well(self) -> bool:
        """True if nothing is given up, and its last attempt went well."""
        return self.failing_since is None and not self.dead


def messages(connection: Connection, states: Collection[str] | None = None, of: str = "", limit: int = 200) -> list[Sent]:
    """Messages in these states (None: all), to this channel ("": to all), the newest last; of more the newest."""
    query = select(message)
    if states is not None:
        query = query.where(message.c.state.in_(list(states)))
    if of:
        query = query.where(message.c.channel == of)
    rows = connection.execute(query.order_by(message.c.at.desc(), message.c.id).limit(limit)).all()
    return [_sent(row) for row in reversed(rows)]


def named(connection: Connection, id: str) -> Sent:
    """The message whose id begins like this. Raises `NotFound`, or `Ambiguous`."""
    query = select(message).where(message.c.id.startswith(id, autoescape=True)).limit(2)
    rows = connection.execute(query).all() if len(id) >= SHORTEST else []
    if not rows:
        raise NotFound(
            f"there is no message {id!r}; `baton notify list --all` shows ids, of which {SHORTEST} characters are enough"
        )
    if len(rows) > 1:
        raise Ambiguous(f"several messages have an id that begins with {id!r}; type more of it")
    return _sent(rows[0])


def about(connection: Connection, id: str) -> list[About]:
    """The notices that a message is about, in their order."""
    query = select(notice).join(addressed, addressed.c.seq == notice.c.seq).where(addressed.c.message == id)
    rows = connection.execute(query.order_by(notice.c.seq))
    return [About(row.seq, row.kind, row.run, row.about, from_us(row.at)) for row in rows]


def troubles(connection: Connection) -> list[Trouble]:
    """Every channel that a worker has been started with, and how it stands."""
    counted = select(message.c.channel, message.c.state, func.count().label("many")).where(
        message.c.state.in_(("dead", *UNSETTLED))
    )
    states = {
        (row.channel, row.state): row.many for row in connection.execute(counted.group_by(message.c.channel, message.c.state))
    }
    waits = select(addressed.c.channel, func.count().label("many")).where(addressed.c.state == "waiting")
    waiting = {row.channel: row.many for row in connection.execute(waits.group_by(addressed.c.channel))}
    rows = connection.execute(select(channel).order_by(channel.c.name))
    return [
        Trouble(
            channel=row.name,
            kind=row.kind,
            target=row.target,
            failing_since=from_us(row.failing_since) if row.failing_since else None,
            problem=row.problem,
            sent_at=from_us(row.sent_at) if row.sent_at else None,
            seen_at=from_us(row.seen_at),
            dead=states.get((row.name, "dead"), 0),
            open=sum(states.get((row.name, state), 0) for state in UNSETTLED),
            waiting=waiting.get(row.name, 0),
        )
        for row in rows
    ]


def waiting_until(connection: Connection, of: str) -> datetime | None:
    """When the first notice that waits for this channel is due; None if none waits."""
    query = select(func.min(addressed.c.due_at)).where(addressed.c.channel == of, addressed.c.state == "waiting")
    found = connection.execute(query).scalar()
    return None if found is None else from_us(max(found, server_us(connection)))


def _sent(row: Row[Any]) -> Sent:
    fields = ("id", "channel", "how", "target", "receivers", "title", "notices", "state", "tries", "problem", "reference")
    return Sent(
        **{name: getattr(row, name) for name in fields},
        at=from_us(row.at),
        updated_at=from_us(row.updated_at),
        next_at=from_us(row.due_at) if row.state == "open" else None,
    )
