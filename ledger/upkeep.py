"""Which worker looks after the ledger for all: a lease that one of them has, and its last round."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, or_, select, update

from contracts.runs import FeedLine, RunRef
from ledger import feed as lines
from ledger.db import from_us, insert_once, server_us
from ledger.tables import feed, upkeep

LEASE = timedelta(seconds=30)
"""A leader that has not renewed its lease for so long is replaced by the next worker that asks."""

_ID = "upkeep"

ITSELF = RunRef(trace=_ID, workflow_id=_ID, project=_ID)
"""Under this name the feed has what belongs to no run."""


class LastRound(NamedTuple):
    """The last round: by which worker, when, and what it could not do ("" for nothing)."""

    worker: str
    at: datetime
    problem: str


def lead(connection: Connection, worker: str, lease: timedelta = LEASE, part: str = _ID) -> bool:
    """Take the lease, or renew it. False while another worker has it. Every act of a leader is safe to do twice.

    `part` is what is led: each has a lease of its own.
    """
    now, length = server_us(connection), lease // timedelta(microseconds=1)
    until = now + length
    # A lease that ends long after ours would was taken by a clock that was ahead.
    free = or_(upkeep.c.worker == worker, upkeep.c.until <= now, upkeep.c.until > until + length)
    taken = update(upkeep).where(upkeep.c.id == part, free).values(worker=worker, until=until)
    if connection.execute(taken).rowcount == 1:
        return True
    return insert_once(connection, upkeep, id=part, worker=worker, until=until)


def give_up(connection: Connection, worker: str, part: str = _ID) -> None:
    """End this worker's lease, so that the next one need not wait for it. Does nothing where another has it."""
    mine = (upkeep.c.id == part, upkeep.c.worker == worker)
    connection.execute(update(upkeep).where(*mine).values(until=0))


def done(connection: Connection, worker: str, problem: str) -> None:
    """Record that the leader has made a round, and what it could not do in it."""
    mine = (upkeep.c.id == _ID, upkeep.c.worker == worker)
    connection.execute(update(upkeep).where(*mine).values(done_at=server_us(connection), problem=problem))


def last_round(connection: Connection) -> LastRound | None:
    """The last round that any worker made; None where there was none yet."""
    row = connection.execute(select(upkeep).where(upkeep.c.id == _ID, upkeep.c.done_at > 0)).first()
    return None if row is None else LastRound(row.worker, from_us(row.done_at), row.problem)


def last_act(connection: Connection) -> FeedLine | None:
    """The newest line that upkeep has put on the feed: what was removed of disks and of old runs. None where there is none."""
    key = connection.execute(select(feed.c.key).where(feed.c.trace == _ID).order_by(feed.c.seq.desc()).limit(1)).scalar()
    return None if key is None else lines.find(connection, key)
