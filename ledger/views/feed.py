"""The feed as people ask for it, and positions in it to read from."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select

from contracts.errors import NotFound
from contracts.runs import FeedLine
from ledger.db import beginning_with, containing, to_us
from ledger.feed import after, as_line, find
from ledger.tables import feed


@dataclass(frozen=True)
class Filter:
    """Which lines are wanted: all that is asked for has to fit; None, "" and 0 ask for nothing.

    `agent` is a name, or NAME@VERSION. `text` stands in what was done, why, or what comes next, in capitals or not. `until` is
    the number of the last line: the feed as it was then.
    """

    trace: str | None = None
    project: str | None = None
    agent: str = ""
    stage: str = ""
    alerts: bool = False
    text: str = ""
    until: int = 0

    @property
    def is_narrow(self) -> bool:
        """True if it asks for more than a run or a project."""
        return bool(self.agent or self.stage or self.alerts or self.text or self.until)

    def conditions(self, connection: Connection) -> list[ColumnElement[bool]]:
        """What the lines have to be, beside their run and project."""
        found: list[ColumnElement[bool]] = []
        if self.agent:
            # An agent acts as NAME@VERSION, with a mark behind it where no real model answers.
            begins = [feed.c.actor.startswith(f"{self.agent}{end}", autoescape=True) for end in ("@", " ")]
            found.append(or_(feed.c.actor == self.agent, *begins))
        if self.stage:
            found.append(feed.c.stage == self.stage)
        if self.alerts:
            found.append(feed.c.importance == "alert")
        if self.text:
            found.append(or_(*(containing(connection, one, self.text) for one in (feed.c.did, feed.c.why, feed.c.next))))
        if self.until:
            found.append(feed.c.seq <= self.until)
        return found


def lines(connection: Connection, wanted: Filter, seq: int = 0, limit: int = 500) -> list[FeedLine]:
    """At most `limit` of the wanted lines with a number above `seq`, in order."""
    return after(connection, seq, trace=wanted.trace, project=wanted.project, wanted=wanted.conditions(connection), limit=limit)


def seq_before(connection: Connection, wanted: Filter, *, since: datetime | None, last: int | None) -> int:
    """The feed position after which the wanted lines since an instant, or the `last` of them, follow. 0 for all."""
    query = select(feed.c.seq).where(*wanted.conditions(connection))
    if wanted.trace is not None:
        query = query.where(feed.c.trace == wanted.trace)
    if wanted.project is not None:
        query = query.where(feed.c.project == wanted.project)
    if since is not None:
        first = connection.execute(query.where(feed.c.at >= to_us(since)).order_by(feed.c.seq).limit(1)).scalar()
        return int(first) - 1 if first is not None else head(connection)
    if last is not None:
        newest = list(connection.execute(query.order_by(feed.c.seq.desc()).limit(last)).scalars())
        return int(newest[-1]) - 1 if newest else 0
    return 0


def check_line(connection: Connection, seq: int) -> None:
    """Raise `NotFound` for the number of a line that has not been written yet."""
    if seq > (newest := head(connection)):
        raise NotFound(f"the feed has no line {seq} yet: the newest is {newest}")


def about(connection: Connection, action: str, limit: int = 100) -> list[FeedLine]:
    """The lines about an action, of whatever run, oldest first."""
    # By the lines' keys, which begin with the action's and have an index.
    query = select(feed.c.key).where(beginning_with(connection, feed.c.key, f"action/{action}"))
    keys = connection.execute(query.order_by(feed.c.seq).limit(limit)).scalars().all()
    return [line for line in (find(connection, key) for key in keys) if line is not None]


def newest(connection: Connection, wanted: Filter, limit: int, *, before: int | None, details: bool) -> list[FeedLine]:
    """The newest `limit` of the wanted lines, newest first; of those before a number if given. `details`: those as well."""
    query = select(feed).where(*wanted.conditions(connection)).order_by(feed.c.seq.desc()).limit(limit)
    query = query if before is None else query.where(feed.c.seq < before)
    query = query if wanted.trace is None else query.where(feed.c.trace == wanted.trace)
    query = query if wanted.project is None else query.where(feed.c.project == wanted.project)
    query = query if details else query.where(feed.c.importance != "detail")
    return [as_line(row) for row in connection.execute(query).mappings()]


def head(connection: Connection) -> int:
    """The number of the newest feed line; 0 before the first."""
    return int(connection.execute(select(func.max(feed.c.seq))).scalar() or 0)
