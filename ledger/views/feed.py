"""Positions in the feed, to read from."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from contracts.runs import FeedLine
from ledger.db import to_us
from ledger.feed import as_line, find
from ledger.tables import feed


def seq_before(
    connection: Connection, *, since: datetime | None, last: int | None, trace: str | None, project: str | None
) -> int:
    """The feed position after which the lines since an instant, or the `last` lines, follow. 0 for all."""
    query = select(feed.c.seq)
    if trace is not None:
        query = query.where(feed.c.trace == trace)
    if project is not None:
        query = query.where(feed.c.project == project)
    if since is not None:
        first = connection.execute(query.where(feed.c.at >= to_us(since)).order_by(feed.c.seq).limit(1)).scalar()
        return int(first) - 1 if first is not None else head(connection)
    if last is not None:
        newest = list(connection.execute(query.order_by(feed.c.seq.desc()).limit(last)).scalars())
        return int(newest[-1]) - 1 if newest else 0
    return 0


def about(connection: Connection, action: str, limit: int = 100) -> list[FeedLine]:
    """The lines about an action, of whatever run, oldest first."""
    # By the lines' keys, which begin with the action's and have an index.
    query = select(feed.c.key).where(feed.c.key >= f"action/{action}", feed.c.key < f"action/{action}~")
    keys = connection.execute(query.order_by(feed.c.seq).limit(limit)).scalars().all()
    return [line for line in (find(connection, key) for key in keys) if line is not None]


def newest(
    connection: Connection, limit: int, *, before: int | None, trace: str | None, project: str | None, details: bool
) -> list[FeedLine]:
    """The newest `limit` lines, newest first: of those before a number, of one run family, of one project if given.

    Without `details` those are left out.
    """
    query = select(feed).order_by(feed.c.seq.desc()).limit(limit)
    query = query if before is None else query.where(feed.c.seq < before)
    query = query if trace is None else query.where(feed.c.trace == trace)
    query = query if project is None else query.where(feed.c.project == project)
    query = query if details else query.where(feed.c.importance != "detail")
    return [as_line(row) for row in connection.execute(query).mappings()]


def head(connection: Connection) -> int:
    """The number of the newest feed line; 0 before the first."""
    return int(connection.execute(select(func.max(feed.c.seq))).scalar() or 0)
