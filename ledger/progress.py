"""How far calls under way have got: one row for each, overwritten while it runs and removed once it is over.

It is for people who look on. What a call has used and costs is known by its turn alone, and no sum reads these rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, select

from ledger.db import insert_each_once, server_us
from ledger.tables import call_progress, reservation

TOOL = 200
"""Most characters of a tool's name."""


@dataclass(frozen=True)
class SoFar:
    """One call: the reservation that it is made under, and what has come of its reply.

    `tokens` is a guess where `estimated`. `tool` is the one whose call is being written, "" for none; `silent` the time since
    the last byte, or since the call was sent.
    """

    reservation: str
    characters: int
    tokens: int
    estimated: bool
    tool: str
    silent: timedelta


def note(connection: Connection, worker: str, calls: Sequence[SoFar], over: Sequence[str] = ()) -> None:
    """Write down how far these calls of a worker have got, and forget those that are `over`. Safe to call twice."""
    gone = [*(one.reservation for one in calls), *over]
    if gone:
        connection.execute(delete(call_progress).where(call_progress.c.reservation.in_(gone)))
    now = server_us(connection)
    rows = [
        {
            "reservation": one.reservation,
            "worker": worker,
            "characters": one.characters,
            "tokens": one.tokens,
            "estimated": one.estimated,
            "tool": one.tool[:TOOL],
            "heard_at": now - one.silent // timedelta(microseconds=1),
        }
        for one in calls
    ]
    insert_each_once(connection, call_progress, rows)


def left_over(connection: Connection) -> list[str]:
    """Reservations of rows whose call is over: of workers that were killed, and of calls that ended a moment ago."""
    held = select(reservation.c.id).where(reservation.c.id == call_progress.c.reservation, reservation.c.state == "held")
    return list(connection.execute(select(call_progress.c.reservation).where(~held.exists())).scalars())


def forget(connection: Connection, reservations: Sequence[str]) -> None:
    """Remove these rows. Safe to call twice."""
    connection.execute(delete(call_progress).where(call_progress.c.reservation.in_(reservations)))
