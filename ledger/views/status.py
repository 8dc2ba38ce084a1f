"""How everything stands: what was done last and why, what comes next, what waits for a person, and what does not work."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from contracts.gates import GateView
from contracts.money import Ceilings
from contracts.pauses import Paused
from contracts.runs import FeedLine
from ledger import feed as lines
from ledger import retries
from ledger.db import instant, to_us
from ledger.tables import feed, run
from ledger.views import actions, gates, models, money, notices, pauses, workers
from ledger.views.condemned import Standing, standings
from ledger.views.models import BreakerView
from ledger.views.money import Ceiling
from ledger.views.notices import Trouble
from ledger.views.runs import RunView, as_view
from ledger.views.workers import Workers

LATELY = timedelta(days=1)
"""What ended, or was an alert, within this time is still news."""

SHOWN = 20
"""Most runs that are named of each kind."""


@dataclass(frozen=True)
class Status:
    """Everything as the ledger has it at `at`. It knows nothing of runs whose workflow tasks fail: Temporal alone does.

    `last` is the newest line that is no detail, None before there is one. `open` counts the open runs by state; `going` are
    those that changed last, `gone` those that Temporal ended lately and nobody has retried. `needs` are the open gates, each
    with the name of its run, earliest deadline first. `paused` are the pauses of more than a run that are in force, `breakers`
    those that are not closed; `actions` counts what is not settled by state, `held` are condemnations that are open, and
    `untold` channels through which people cannot be told. `wait_until` is when something changes by itself if nobody acts: a
    gate's deadline, a breaker's next probe, a ceiling's new period; None: nothing that is known beforehand.
    """

    at: datetime
    last: FeedLine | None
    alerts: int
    open: Mapping[str, int]
    going: tuple[RunView, ...]
    gone: tuple[RunView, ...]
    needs: tuple[tuple[str, GateView], ...]
    workers: Workers
    ceilings: tuple[Ceiling, ...]
    paused: tuple[Paused, ...]
    breakers: tuple[BreakerView, ...]
    actions: Mapping[str, int]
    held: tuple[Standing, ...]
    untold: tuple[Trouble, ...]
    wait_until: datetime | None

    @property
    def nobody_works(self) -> str:
        """Why nothing goes on although runs are open, or an action is due; "" where somebody works, or has nothing to do."""
        return self.workers.problem if self.open or self.actions.get("left") else ""

    @property
    def wrong_agents(self) -> tuple[tuple[str, str], ...]:
        """The place of each worker on which an agent version is live that should not be, with what is wrong."""
        return tuple((one.place, str(said)) for one in self.workers.working for said in one.machine.get("agents", ()))


def status(connection: Connection, ceilings: Ceilings, task_queue: str, project: str | None = None) -> Status:
    """How everything stands; runs, gates and feed of one project if given. `ceilings` are those that are configured."""
    now = instant(connection)
    needs = tuple(gates.waiting(connection, project))
    breakers = tuple(one for one in models.noteworthy(connection) if not one.is_closed)
    spent = tuple(money.ceilings_of_today(connection, ceilings, now))
    going = _runs(connection, project, open=True)
    return Status(
        at=now,
        last=_last(connection, project),
        alerts=_alerts(connection, project, now),
        open=_open(connection, project),
        going=going,
        gone=_runs(connection, project, open=False, since=now - LATELY),
        needs=needs,
        workers=workers.workers_of(connection, task_queue),
        ceilings=spent,
        paused=tuple(pauses.pauses_now(connection)),
        breakers=breakers,
        actions={state: count for state, count in actions.counts(connection).items() if count},
        held=tuple(one for one in standings(connection, {}) if one.state == "open"),
        untold=tuple(one for one in notices.troubles(connection) if not one.is_well),
        wait_until=_changes_at(now, [view for _, view in needs], breakers, spent),
    )


def _last(connection: Connection, project: str | None) -> FeedLine | None:
    query = select(feed.c.key).where(feed.c.importance != "detail").order_by(feed.c.seq.desc()).limit(1)
    key = connection.execute(query if project is None else query.where(feed.c.project == project)).scalar()
    return None if key is None else lines.find(connection, key)


def _alerts(connection: Connection, project: str | None, now: datetime) -> int:
    query = select(func.count()).where(feed.c.importance == "alert", feed.c.at >= to_us(now - LATELY))
    return int(connection.execute(query if project is None else query.where(feed.c.project == project)).scalar_one())


def _open(connection: Connection, project: str | None) -> dict[str, int]:
    query = select(run.c.state, func.count()).where(run.c.ended_at.is_(None)).group_by(run.c.state).order_by(run.c.state)
    rows = connection.execute(query if project is None else query.where(run.c.project == project))
    return {str(state): int(count) for state, count in rows}


def _runs(connection: Connection, project: str | None, *, open: bool, since: datetime | None = None) -> tuple[RunView, ...]:
    """Open runs, or those that Temporal ended since then and nobody has retried; those that changed last come first."""
    query = select(run).where(run.c.ended_at.is_(None) if open else run.c.gone != "")
    if since is not None:
        query = query.where(run.c.updated_at >= to_us(since))
    if project is not None:
        query = query.where(run.c.project == project)
    found = [as_view(row) for row in connection.execute(query.order_by(run.c.updated_at.desc()).limit(SHOWN))]
    return tuple(one for one in found if open or not retries.of(connection, one.trace))


def _changes_at(
    now: datetime, needs: list[GateView], breakers: tuple[BreakerView, ...], ceilings: tuple[Ceiling, ...]
) -> datetime | None:
    """The first instant from now on at which something changes by itself."""
    instants = [view.deadline for view in needs]
    instants += [one.changes_at for one in breakers if one.changes_at is not None]
    instants += [one.resets_at for one in ceilings if one.waiting and one.resets_at is not None]
    return min((one for one in instants if one > now), default=None)
