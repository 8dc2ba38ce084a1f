"""What a run will cost, going by those that were like it; and where a month is heading. Only reads."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select

from contracts.runs import FINAL
from ledger.figures_period import month_of
from ledger.figures_samples import Sample
from ledger.spend import usd
from ledger.tables import run, scope, turn

AT_LEAST = 5
"""Like runs that have to have ended before anything is expected."""

NEWEST, LOOKED_AT = 50, 500
"""Like runs that count, the newest; and how many of the pipeline's and project's newest runs are looked through for them."""

NO_HISTORY = "no history yet"


@dataclass(frozen=True)
class Expected:
    """Micro-dollars that half, and nine of ten, of the like runs cost at most. `runs` is how many there were."""

    runs: int
    p50: int | None
    p90: int | None

    @property
    def text(self) -> str:
        """As people read it."""
        if self.p50 is None or self.p90 is None:
            return NO_HISTORY
        return f"{usd(self.p50)}, at most {usd(self.p90)} in 9 of 10 ({self.runs} runs like it)"


def expected_of(connection: Connection, trace: str) -> Expected:
    """What the run that was let in under this trace will cost."""
    row = connection.execute(select(run.c.pipeline, run.c.project, _SCRIPTED).where(run.c.trace == trace)).first()
    if row is None:
        return Expected(0, None, None)
    return expected(connection, row.pipeline, row.project, scripted=bool(row.scripted))


def expected(connection: Connection, pipeline: str, project: str, *, scripted: bool) -> Expected:
    """What a run of this pipeline and project will cost.

    Like it are the newest 50 runs of the same pipeline and project that have ended, whatever as, after a model had answered
    at least once, and that were played from a script or not as this one is. Fewer than 5: nothing is expected.
    """
    ended = [run.c.pipeline == pipeline, run.c.project == project, run.c.state.in_(sorted(FINAL))]
    newest = select(run.c.trace, run.c.ended_at, _SCRIPTED).where(*ended).order_by(run.c.ended_at.desc()).limit(LOOKED_AT)
    near = newest.subquery()
    query = select(scope.c.spent).join(near, scope.c.id == "run:" + near.c.trace).where(near.c.scripted.is_(scripted))
    query = query.where(_was_answered(near.c.trace)).order_by(near.c.ended_at.desc()).limit(NEWEST)
    costs = Sample(connection.execute(query).scalars())
    if costs.size < AT_LEAST:
        return Expected(costs.size, None, None)
    return Expected(costs.size, costs.percentile(50), costs.percentile(90))


_SCRIPTED = run.c.pins.contains('"scripted":true').label("scripted")


def _was_answered(trace: ColumnElement[str]) -> ColumnElement[bool]:
    return select(turn.c.id).where(turn.c.trace == trace).exists()


@dataclass(frozen=True)
class Month:
    """A UTC month's money in micro-dollars. `ceiling` and `projected` are None where they are not known."""

    name: str
    spent: int
    held: int
    ceiling: int | None
    projected: int | None


def month(connection: Connection, now: datetime, after: timedelta, project: str | None = None) -> Month:
    """This month: what is spent and held, and where it is heading; `project`: of that project's own ceiling.

    It is heading for what is spent so far, carried on at the month's own pace until its end; nothing is said before `after` of
    the month has passed.
    """
    whole, name = month_of(now), f"{now:%Y-%m}"
    wanted = f"month:{name}" if project is None else f"project:{project}:month:{name}"
    row = connection.execute(select(scope).where(scope.c.id == wanted)).first()
    spent, held = (0, 0) if row is None else (row.spent, row.held)
    passed = now - whole.since
    projected = None if passed < after else carried_on(spent, passed, whole.until - whole.since)
    return Month(name, spent, held, None if row is None else row.ceiling, projected)


def carried_on(spent: int, passed: timedelta, whole: timedelta) -> int:
    """What will be spent in the whole time at the pace of the time that has passed."""
    second = timedelta(seconds=1)
    return spent * (whole // second) // max(1, passed // second)
