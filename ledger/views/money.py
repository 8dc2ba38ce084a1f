"""What may still be spent: each ceiling with the runs that wait at it, and calls that were charged because they were lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, literal_column, or_, select

from contracts.errors import NotFound
from contracts.money import Ceilings, micros, resets_at
from contracts.runs import FINAL
from ledger.db import beginning_with, from_us
from ledger.money import ceilings
from ledger.tables import feed, reservation, run, scope
from ledger.views.runs import SHORTEST, find_run

LOST_CALLS = 100
"""Most lost calls in a list, newest first."""

_later = reservation.alias("later")

# Where a worker was lost, another attempt came after it, or upkeep closed what it held and wrote a line of that.
_CUT_OFF = and_(
    exists().where(run.c.trace == reservation.c.trace, run.c.state.in_(sorted(FINAL))),
    ~exists().where(_later.c.call_key == reservation.c.call_key, _later.c.at > reservation.c.at),
    ~exists().where(feed.c.key == "orphan/" + reservation.c.id),
).label("cut_off")

# Written out: SQLite takes an index of a part of the rows only where it reads the condition itself.
_LOST = (reservation.c.state == literal_column("'lost'"), reservation.c.settled > 0)


@dataclass(frozen=True)
class Ceiling:
    """One ceiling. Micro-dollars. `name` is for people, and `scope` its id; `waiting` counts the runs that wait at it."""

    name: str
    scope: str
    ceiling: int
    spent: int
    held: int
    waiting: int

    @property
    def left(self) -> int:
        """What may still be spent; never below 0, although a call that cost more than reserved can exceed its ceiling."""
        return max(self.ceiling - self.spent - self.held, 0)

    @property
    def resets_at(self) -> datetime | None:
        """When its next period begins; None for a run's."""
        return resets_at(self.scope)

    @property
    def trace(self) -> str:
        """Trace of the run whose ceiling it is."""
        return self.scope.removeprefix("run:").split("/")[0]


@dataclass(frozen=True)
class LostCall:
    """One attempt at a call that is charged in full as its cost is unknown. `charged` is in micro-dollars.

    `error`: the provider's failure after which it may have been charged, or "". `cut_off`: its run ended while it was under
    way. Neither: it was lost with its worker.
    """

    id: str
    key: str
    trace: str
    path: str
    project: str
    agent: str
    model: str
    charged: int
    at: datetime
    error: str
    cut_off: bool

    @property
    def told(self) -> str:
        """What became of it."""
        if self.error:
            return f"failed ({self.error}) and may have been charged by the provider"
        return "cut off as its run ended" if self.cut_off else "lost with its worker"


def ceilings_of_today(connection: Connection, configured: Ceilings, now: datetime) -> list[Ceiling]:
    """The ceilings of this month and of each agent's day, also those of projects, and of every run that waits at its own."""
    day, month = f"{now:%Y-%m-%d}", f"{now:%Y-%m}"
    waiting = ceilings.waiting(connection)
    names = {f"run:{row.trace}": f"run {row.workflow_id}" for row in waiting}
    wanted = or_(
        scope.c.id.in_([f"month:{month}", *names]),
        and_(beginning_with(connection, scope.c.id, "agent:"), scope.c.id.like(f"%:{day}")),
        and_(beginning_with(connection, scope.c.id, "project:"), scope.c.id.like(f"%:month:{month}")),
        and_(beginning_with(connection, scope.c.id, "project:"), scope.c.id.like(f"%:agent:%:{day}")),
    )
    rows = connection.execute(select(scope).where(wanted).order_by(scope.c.id)).all()
    found = _ceilings(rows, waiting, names)
    # Before the month's first call its ceiling has no row.
    if configured.month_usd is not None and not any(one.scope == f"month:{month}" for one in found):
        found.append(Ceiling(f"month:{month}", f"month:{month}", micros(configured.month_usd), 0, 0, 0))
    return sorted(found, key=lambda one: (not one.scope.startswith("month"), one.name))


def ceilings_of_run(connection: Connection, name: str) -> list[Ceiling]:
    """One run's ceiling, then the parts of its children. Raises `NotFound`."""
    found = find_run(connection, name)
    whole = f"run:{found.trace}"
    own = (scope.c.id == whole) | beginning_with(connection, scope.c.id, f"{whole}/")
    rows = connection.execute(select(scope).where(own).order_by(scope.c.id)).all()
    names = {row.id: row.id.removeprefix(whole).lstrip("/") or f"run {found.workflow_id}" for row in rows}
    return _ceilings(rows, [one for one in ceilings.waiting(connection) if one.trace == found.trace], names)


def waiting_runs(connection: Connection, scope_id: str) -> dict[str, str]:
    """The runs that wait at this ceiling, longest wait first: workflow id to trace."""
    return {row.workflow_id: row.trace for row in ceilings.waiting(connection, scope_id)}


def lost_calls(connection: Connection, trace: str | None = None) -> list[LostCall]:
    """The newest hundred calls that were lost with their worker and are charged in full, of all runs or of one."""
    query = select(reservation, _CUT_OFF).where(*_LOST)
    query = query if trace is None else query.where(reservation.c.trace == trace)
    return [_lost_call(row) for row in connection.execute(query.order_by(reservation.c.at.desc()).limit(LOST_CALLS))]


def lost_attempts(connection: Connection, key: str) -> list[LostCall]:
    """The lost attempts of the one call with this key prefix, oldest first, as on a bill. Raises `NotFound`."""
    query = select(reservation, _CUT_OFF).where(*_LOST, reservation.c.call_key.startswith(key, autoescape=True))
    rows = connection.execute(query.order_by(reservation.c.at)).all() if len(key) >= SHORTEST else []
    if not rows:
        raise NotFound(
            f"no call that begins with {key!r} is charged as lost; a call that was answered is settled by its answer"
        )
    calls = len({row.call_key for row in rows})
    if calls > 1:
        raise NotFound(
            f"{calls} lost calls begin with {key!r}: type more of the key; `baton budget show --json` shows all of it"
        )
    return [_lost_call(row) for row in rows]


def _ceilings(rows: Sequence[Row[Any]], waiting: Sequence[Row[Any]], names: dict[str, str]) -> list[Ceiling]:
    counts = [row.scope for row in waiting]
    return [
        Ceiling(names.get(row.id, row.id), row.id, int(row.ceiling), int(row.spent), int(row.held), counts.count(row.id))
        for row in rows
    ]


def _lost_call(row: Row[Any]) -> LostCall:
    names = ("id", "trace", "path", "project", "agent", "model", "error")
    fields = {name: getattr(row, name) for name in names}
    return LostCall(**fields, cut_off=bool(row.cut_off), key=row.call_key, charged=int(row.settled), at=from_us(row.at))
