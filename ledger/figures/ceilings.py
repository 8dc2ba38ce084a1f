"""Whether ceilings fit real spending: their trips, who changed them and why, and a suggested value. Only reads."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, select

from contracts.money import Ceilings, Level, Levels, level_of, micros
from contracts.runs import FINAL
from ledger.db import not_beginning_with
from ledger.figures.period import Period, day_of
from ledger.figures.samples import Sample
from ledger.tables import ceiling_change, run, scope, trip

Fit = Literal["not enough history", "not set", "too tight", "too generous", "fits"]

ENOUGH: dict[Level, int] = {"run": 10, "slice": 10, "agent": 5, "month": 2}
"""How many ended runs, whole days or whole months with spending it takes to judge a ceiling."""

TIGHT_TRIPS, TIGHT, GENEROUS = 20, (4, 5), 5
"""Too tight: more than 1 in 20 tripped, or p95 is above 4/5 of the ceiling. Too generous: none tripped, and p95 below 1/5."""


class Named(NamedTuple):
    """Which ceiling: of one project or of all (""), of one agent or of all ("")."""

    level: Level
    project: str
    agent: str

    @property
    def text(self) -> str:
        """As people read it."""
        if self.level == "run":
            return f"a run of project {self.project}" if self.project else "a run"
        whose = f"project {self.project}: " if self.project else ""
        return f"{whose}agent {self.agent}, a day" if self.level == "agent" else f"{whose}a month"


@dataclass
class Review:
    """One ceiling. Money in micro-dollars.

    `spent` samples what ended runs, whole days or whole months spent against it. `trips` counts the runs that it parked,
    `tripped` holds the runs, days or months in which it did, `ended` counts how trips ended ("" while they last). `changes`
    are rows of `ceiling_change`, oldest first.
    """

    named: Named
    ceiling: int | None = None
    spent: Sample = field(default_factory=Sample)
    trips: int = 0
    tripped: set[str] = field(default_factory=set)
    waited: Sample = field(default_factory=Sample)
    ended: Counter[str] = field(default_factory=Counter)
    changes: list[Row[Any]] = field(default_factory=list)

    @property
    def verdict(self) -> Fit:
        """By the rule in this module's constants."""
        p95 = self.spent.percentile(95)
        if p95 is None or self.spent.size < ENOUGH[self.named.level]:
            return "not enough history"
        if self.ceiling is None:
            return "not set"
        if len(self.tripped) * TIGHT_TRIPS > self.spent.size or p95 * TIGHT[1] > self.ceiling * TIGHT[0]:
            return "too tight"
        return "too generous" if not self.tripped and p95 * GENEROUS < self.ceiling else "fits"

    @property
    def suggested(self) -> int | None:
        """Twice p95, rounded up to two digits; None if the ceiling fits or history is too short.

        If too tight, at least 1.5 × today's ceiling, and at least the highest value that somebody has set.
        """
        p95 = self.spent.percentile(95)
        if p95 is None or self.verdict in ("fits", "not enough history"):
            return None
        least = [2 * p95]
        if self.verdict == "too tight":
            least += [(self.ceiling or 0) * 3 // 2, *(int(change.after) for change in self.changes)]
        return _rounded_up(max(least))


def reviews(connection: Connection, period: Period, configured: Ceilings, now: datetime) -> list[Review]:
    """Every ceiling that was spent against, tripped or changed in this period."""
    found: dict[Named, Review] = {}

    def of(named: Named) -> Review:
        return found.setdefault(named, Review(named, _configured(configured, named)))

    projects = _projects(connection, period)
    for named, ceiling, spent in _spent(connection, period, now):
        review = of(named)
        review.spent.add(spent)
        if review.ceiling is None:
            review.ceiling = ceiling
    for row in connection.execute(select(trip).where(trip.c.at >= period.since_us, trip.c.at < period.until_us)):
        _count_trip(of(named_of(row.scope, row.project)), row)
    at = ceiling_change.c.at
    changed = select(ceiling_change).where(at >= period.since_us, at < period.until_us).order_by(at, ceiling_change.c.id)
    for change in connection.execute(changed):
        of(named_of(change.scope, projects.get(_trace(change.scope), ""))).changes.append(change)
    return [found[named] for named in sorted(found)]


def named_of(scope_id: str, project: str) -> Named:
    """The ceiling that a scope belongs to. `project` is the project of its run; it counts for run ceilings only."""
    level = level_of(scope_id)
    if level in ("run", "slice"):
        return Named("run", project, "")
    parts = scope_id.split(":")
    own = parts[1] if parts[0] == "project" else ""
    return Named(level, own, parts[-2] if level == "agent" else "")


def _spent(connection: Connection, period: Period, now: datetime) -> Iterator[tuple[Named, int, int]]:
    """(ceiling, its value, what was spent), newest first: of ended runs, of agents' whole days, of whole months."""
    runs = select(run.c.project, scope.c.ceiling, scope.c.spent).join(scope, scope.c.id == "run:" + run.c.trace)
    ended = (run.c.started_at >= period.since_us, run.c.started_at < period.until_us, run.c.state.in_(sorted(FINAL)))
    for row in connection.execute(runs.where(*ended, scope.c.spent > 0).order_by(run.c.started_at.desc())):
        yield Named("run", row.project, ""), int(row.ceiling), int(row.spent)
    others = select(scope.c.id, scope.c.ceiling, scope.c.spent).where(not_beginning_with(connection, scope.c.id, "run:"))
    shared = [(row.id.rsplit(":", 1)[1], row) for row in connection.execute(others.where(scope.c.spent > 0))]
    today, since, until = f"{now.astimezone(UTC):%Y-%m-%d}", day_of(period.since_us), day_of(period.until_us)
    for when, row in sorted(shared, key=lambda one: one[0], reverse=True):
        # Whole periods only: none that still lasts, and none that began before. A month is compared by its first day.
        if since <= f"{when}-01"[:10] < until and when != today[: len(when)]:
            yield named_of(row.id, ""), int(row.ceiling), int(row.spent)


def _count_trip(review: Review, row: Row[Any]) -> None:
    review.trips += 1
    review.tripped.add(row.scope.partition("/")[0])
    review.ended[row.how] += 1
    if row.closed_at is not None:
        review.waited.add(row.closed_at - row.at)


def _projects(connection: Connection, period: Period) -> dict[str, str]:
    """The projects of the runs whose ceilings were changed, by trace."""
    at = ceiling_change.c.at
    runs = select(ceiling_change.c.scope).where(at >= period.since_us, at < period.until_us)
    traces = {_trace(one) for one in connection.execute(runs.where(ceiling_change.c.scope.startswith("run:"))).scalars()}
    found: dict[str, str] = defaultdict(str)
    for row in connection.execute(select(run.c.trace, run.c.project).where(run.c.trace.in_(traces))):
        found[row.trace] = row.project
    return found


def _trace(scope_id: str) -> str:
    return scope_id.partition(":")[2].partition("/")[0]


def _configured(configured: Ceilings, named: Named) -> int | None:
    """The configured value of a ceiling in micro-dollars; None if it is not set."""
    if named.level == "run":
        usd = configured.run_default(named.project)
    else:
        levels = configured.projects.get(named.project, Levels()) if named.project else configured
        usd = levels.agent_day_usd if named.level == "agent" else levels.month_usd
    return None if usd is None else micros(usd)


def _rounded_up(number: int) -> int:
    """Round up to two significant digits, as people write settings."""
    unit = 10 ** max(len(str(number)) - 2, 0)
    return int(-(-number // unit) * unit)
