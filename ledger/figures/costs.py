"""What was spent in a period, summed up where it is stored: for a page that anybody may load at any time. Only reads.

`charges` says of each call what became of it, and has to read whole runs for that; this only adds up.
"""

import functools
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, case, exists, func, literal_column, or_, select

from contracts.programs import UNMETERED
from ledger.db import from_us
from ledger.figures.period import Period, day_of
from ledger.tables import reservation, run, turn

By = Literal["agent", "model", "pipeline", "project", "day"]

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Wanted:
    """Which calls count; "": all of them. `agent` is a name, all its versions; `trace` one run."""

    project: str = ""
    agent: str = ""
    model: str = ""
    pipeline: str = ""
    trace: str = ""


@dataclass(slots=True)
class Cost:
    """Micro-dollars and calls. `unknown` is the part of `spent` that is charged in full because nobody knows the real cost.

    Of `calls_unmetered` no amount holds what they cost: outside programs made them.
    """

    spent: int = 0
    held: int = 0
    unknown: int = 0
    calls: int = 0
    calls_held: int = 0
    calls_unknown: int = 0
    calls_unmetered: int = 0


@dataclass(frozen=True)
class Costs:
    """In total, by group, the most expensive first (days in order), and by day. `prices` counts the calls by the version of the
    price list that they were charged by."""

    total: Cost = field(default_factory=Cost)
    groups: dict[str, Cost] = field(default_factory=dict)
    days: dict[str, Cost] = field(default_factory=dict)
    prices: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class InFlight:
    """A call that is under way, and what is reserved for it in micro-dollars. `trace` is its run's."""

    trace: str
    agent: str
    model: str
    project: str
    amount: int
    at: datetime


# Written out: SQLite takes an index of a part of the rows only where it reads the condition itself.
_HELD = reservation.c.state == literal_column("'held'")
_ANSWERED = exists().where(
    turn.c.id == reservation.c.call_key, turn.c.flagged.is_(False), turn.c.usd_micros == reservation.c.settled
)
# Charged at all that was reserved, and no answer says that it cost that.
_UNKNOWN = (
    reservation.c.settled > 0,
    reservation.c.settled == reservation.c.amount,
    or_(reservation.c.state != "settled", ~_ANSWERED),
)
_CALLS = func.sum(case((reservation.c.state != "released", 1), else_=0))

_KEYS: dict[By, ColumnElement[Any]] = {
    "agent": reservation.c.agent,
    "model": reservation.c.model,
    "project": reservation.c.project,
    "pipeline": run.c.pipeline,
}
_ON_DAY, _PRICE = (reservation.c.at // _DAY_US).label("on_day"), reservation.c.price_version.label("of_price")


def costs(connection: Connection, period: Period, by: By, wanted: Wanted) -> Costs:
    """What was spent in this period on the calls that are wanted. The name "" is of calls that do not say it.

    An agent here is all its versions together, as for ceilings.
    """
    # Three passes, of which the second and the third go by few rows: one that does it all takes three times as long.
    parts = (
        (_SPENT, func.sum(reservation.c.settled), _CALLS, ()),
        (_IN_FLIGHT, func.sum(reservation.c.amount), func.count(), (_HELD,)),
        (_NOT_KNOWN, func.sum(reservation.c.settled), func.count(), _UNKNOWN),
    )
    found, groups, days = Costs(), defaultdict[str, Cost](Cost), defaultdict[str, Cost](Cost)
    for (amount, count), money, calls, conditions in parts:
        for row in connection.execute(_query(period, by, wanted).add_columns(money.label("money"), calls).where(*conditions)):
            day, price, key, sums = _day(int(row[0])), row[1], row[2] or "", (int(row[3]), int(row[4]))
            for one in (found.total, groups[day if by == "day" else key], days[day]):
                setattr(one, amount, getattr(one, amount) + sums[0])
                setattr(one, count, getattr(one, count) + sums[1])
                if count == "calls" and price == UNMETERED:
                    one.calls_unmetered += sums[1]
            if count == "calls":
                found.prices[price] = found.prices.get(price, 0) + sums[1]
    ordered = sorted(groups.items(), key=lambda one: one[0] if by == "day" else (-one[1].spent, -one[1].held, one[0]))
    return replace(found, groups=dict(ordered), days=dict(sorted(days.items())))


_SPENT, _IN_FLIGHT, _NOT_KNOWN = ("spent", "calls"), ("held", "calls_held"), ("unknown", "calls_unknown")


def _query(period: Period, by: By, wanted: Wanted) -> Select[Any]:
    """Day, price list and key of each group of calls."""
    # Grouped by labels: to PostgreSQL an expression with a parameter is never the same as another one.
    key = _KEYS.get(by)
    query = select(_ON_DAY, _PRICE, (literal_column("''") if key is None else key).label("of_key"))
    query = query.where(*_conditions(period, wanted)).group_by("on_day", "of_price")
    query = query if key is None else query.group_by("of_key")
    if by == "pipeline" or wanted.pipeline:
        query = query.select_from(reservation.outerjoin(run, run.c.trace == reservation.c.trace))
    return query.where(run.c.pipeline == wanted.pipeline) if wanted.pipeline else query


@functools.cache
def _day(number: int) -> str:
    return day_of(number * _DAY_US)


def in_flight(connection: Connection, limit: int) -> list[InFlight]:
    """The calls for which money is held now, the longest under way first."""
    rows = connection.execute(select(reservation).where(_HELD).order_by(reservation.c.at).limit(limit))
    names = ("trace", "agent", "model", "project", "amount")
    return [InFlight(**{name: getattr(row, name) for name in names}, at=from_us(row.at)) for row in rows]


def _conditions(period: Period, wanted: Wanted) -> list[ColumnElement[bool]]:
    at = reservation.c.at
    equal = {name: getattr(wanted, name) for name in ("project", "agent", "model", "trace") if getattr(wanted, name)}
    return [at >= period.since_us, at < period.until_us, *(reservation.c[name] == value for name, value in equal.items())]
