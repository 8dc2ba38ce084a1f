"""Forecasts: what a run will cost, going by similar runs, and what a month will cost. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from contracts.money import usd
from contracts.runs import FINAL
from ledger.figures.period import month_of
from ledger.figures.samples import Sample
from ledger.tables import gate, reservation, run, scope, turn

AT_LEAST = 5
"""Similar runs that it takes for a forecast."""

NEWEST, LOOKED_AT = 50, 500
"""Similar runs that count, newest first; and how many of the pipeline's and project's newest runs are searched for them."""

NO_HISTORY = "no history yet"


@dataclass(frozen=True)
class Expected:
    """Median and 90th percentile of what similar runs cost, in micro-dollars; None without history. `runs` is their number."""

    runs: int
    p50: int | None
    p90: int | None

    @property
    def text(self) -> str:
        """As people read it."""
        if self.p50 is None or self.p90 is None:
            return NO_HISTORY
        return f"{usd(self.p50)}, at most {usd(self.p90)} in 9 of 10 ({self.runs} runs like it)"


def expected_of(connection: Connection, trace: str) -> Expected | None:
    """What the run with this trace will cost; None if it was not admitted."""
    row = connection.execute(select(run.c.pipeline, run.c.project, _SCRIPTED).where(run.c.trace == trace)).first()
    if row is None:
        return None
    return expected(connection, row.pipeline, row.project, scripted=bool(row.scripted))


def expected(connection: Connection, pipeline: str, project: str, *, scripted: bool) -> Expected:
    """What a run of this pipeline and project will cost.

    Similar are the newest 50 runs of the same pipeline and project that got far enough: they ended as done, or had a change
    tested and put before a person. They were scripted or not, as this one is. With fewer than 5 there is no forecast.
    """
    ended = [run.c.pipeline == pipeline, run.c.project == project, run.c.state.in_(sorted(FINAL))]
    newest = (
        select(run.c.trace, run.c.ended_at, run.c.state, _SCRIPTED)
        .where(*ended)
        .order_by(run.c.ended_at.desc())
        .limit(LOOKED_AT)
    )
    # Limited before it is filtered: a ledger of years is not scanned for fifty runs.
    near = newest.subquery()
    query = select(scope.c.spent).join(near, scope.c.id == "run:" + near.c.trace).where(near.c.scripted.is_(scripted))
    query = query.where(_was_answered(near.c.trace), _got_far(near.c.trace, near.c.state))
    query = query.order_by(near.c.ended_at.desc()).limit(NEWEST)
    costs = Sample(connection.execute(query).scalars())
    if costs.size < AT_LEAST:
        return Expected(costs.size, None, None)
    return Expected(costs.size, costs.percentile(50), costs.percentile(90))


# In the stored JSON: pins leave out defaults, so the word is there only if an agent of the run was scripted.
_SCRIPTED = run.c.pins.contains('"scripted":true').label("scripted")


def _was_answered(trace: ColumnElement[str]) -> ColumnElement[bool]:
    return select(turn.c.id).where(turn.c.trace == trace).exists()


def _got_far(trace: ColumnElement[str], state: ColumnElement[str]) -> ColumnElement[bool]:
    # A run that was given up at its plan cost little, and says nothing about one that goes on.
    return or_(state == "done", select(gate.c.gate).where(gate.c.trace == trace, gate.c.kind == "change").exists())


@dataclass(frozen=True)
class Month:
    """A UTC month's money in micro-dollars. `ceiling` and `projected` are None where they are not known."""

    name: str
    spent: int
    held: int
    ceiling: int | None
    projected: int | None


def ceilings_of_runs(connection: Connection, names: Sequence[str]) -> dict[str, int | None]:
    """The ceilings of some runs, by workflow id; a run without a call may have none and is left out."""
    query = select(run.c.workflow_id, scope.c.ceiling).join(scope, scope.c.id == "run:" + run.c.trace)
    found = connection.execute(query.where(run.c.workflow_id.in_(names)).order_by(run.c.started_at))
    return {name: int(ceiling) for name, ceiling in found}


def ceilings_of(connection: Connection, scopes: Sequence[str]) -> dict[str, int]:
    """The ceilings of some scopes; one that no call has counted against yet is left out."""
    found = connection.execute(select(scope.c.id, scope.c.ceiling).where(scope.c.id.in_(scopes)))
    return {name: int(ceiling) for name, ceiling in found}


def month(connection: Connection, now: datetime, after: timedelta, project: str | None = None) -> Month:
    """This month, of everything or of one project: what is spent and held, and what it will cost.

    `projected` extrapolates what is spent and held to the end of the month at its pace so far; None before `after` of the month
    has passed, or while nothing is spent. `ceiling` is the one that this month's calls have counted against.
    """
    whole, at = month_of(now), reservation.c.at
    held = case((reservation.c.state == "held", reservation.c.amount), else_=0)
    query = select(func.sum(reservation.c.settled), func.sum(held)).where(at >= whole.since_us, at < whole.until_us)
    if project is not None:
        query = query.where(reservation.c.project == project)
    # PostgreSQL returns sums as decimals, and NULL as the sum of no rows.
    spent, holds = (int(one or 0) for one in connection.execute(query).one())
    return month_with(connection, now, after, project, spent, holds)


def month_with(connection: Connection, now: datetime, after: timedelta, project: str | None, spent: int, held: int) -> Month:
    """As `month`, where somebody has added up already what is spent and held in it."""
    whole, name = month_of(now), f"{now:%Y-%m}"
    wanted = f"month:{name}" if project is None else f"project:{project}:month:{name}"
    passed = now - whole.since
    history = passed >= after and spent + held > 0
    projected = carried_on(spent + held, passed, whole.until - whole.since) if history else None
    return Month(name, spent, held, ceilings_of(connection, [wanted]).get(wanted), projected)


def carried_on(spent: int, passed: timedelta, whole: timedelta) -> int:
    """Extrapolate spending to the whole period at its pace so far."""
    second = timedelta(seconds=1)
    return spent * (whole // second) // max(1, passed // second)
