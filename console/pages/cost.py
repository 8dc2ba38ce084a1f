"""What was spent on what, what is reserved by what is in flight, and what may still be spent."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from activities.gates.from_console import CHANNEL
from commands.errors import Usage
from commands.look.spend import is_over, with_setting
from commands.money import ceilings as setting
from commands.money.ceilings import Said
from commands.periods import period, told
from console.pages.asked import Asked, Wake, said
from contracts.errors import Refused
from contracts.money import level_of
from contracts.printed import command, shown
from ledger.db import Connection
from ledger.figures import forecast
from ledger.figures.costs import By, Costs, Wanted, costs, in_flight
from ledger.figures.period import Period
from ledger.views.gates import ceiling_gate
from ledger.views.money import Ceiling, ceilings_of_run, ceilings_of_today, waiting_runs
from ledger.views.runs import find_run, names_of

GROUPS, CALLS, DAYS = 50, 20, 92
"""Most groups, calls under way, and days in the picture."""

FILTERS = ("by", "since", "until", "project", "agent", "model", "pipeline", "run")
"""What the page's address may ask for."""


@dataclass(frozen=True)
class Limit:
    """A ceiling, and how it is raised: `gate` is where its run asks for more; "" where the form here does it. `raises`: True
    where either is so."""

    it: Ceiling
    left: int
    resets_at: datetime | None
    raises: bool
    shared: bool
    trace: str
    gate: str


def cost(connection: Connection, asked: Asked) -> dict[str, Any]:
    """What was spent in a period, by what the query names, with what is reserved, the ceilings and the month's projection."""
    query, now, configured = asked.query, datetime.now(UTC), asked.here.settings.ceilings
    run = find_run(connection, query["run"]) if query.get("run") else None
    names = {name: query.get(name, "") for name in ("project", "agent", "model", "pipeline")}
    wanted = Wanted(**names, trace="" if run is None else run.trace)
    since, until = query.get("since") or None, query.get("until") or None
    span, by = period(since, until, now), _by(query.get("by", "agent"))
    found = costs(connection, span, by, wanted)
    month = _month(connection, asked, found, wanted, now)
    calls = in_flight(connection, CALLS)
    rows = ceilings_of_today(connection, configured, now) if run is None else ceilings_of_run(connection, run.trace)
    return {
        "asked": {name: query[name] for name in FILTERS if query.get(name)},
        "by": by,
        "since": span.since,
        "until": span.until,
        "period": told(span, until),
        "total": found.total,
        "groups": [{"name": name, **asdict(one)} for name, one in list(found.groups.items())[:GROUPS]],
        "left_out": max(len(found.groups) - GROUPS, 0),
        "days": [{"name": name, **asdict(one)} for name, one in _every_day(found, span, now)],
        "prices": found.prices,
        "month": month,
        "month_is_over": is_over(month),
        "in_flight": calls,
        "runs": names_of(connection, list({one.trace for one in calls if one.trace})),
        "ceilings": [_limit(connection, one) for one in rows],
        "command": command("spend", options=f"--by {by}"),
    }


def _by(text: str) -> By:
    found: By | None = next((one for one in get_args(By) if one == text), None)
    if found is None:
        raise Usage(f"by={text[:40]!r} is nothing to group by; there are {', '.join(get_args(By))}")
    return found


def _month(connection: Connection, asked: Asked, found: Costs, wanted: Wanted, now: datetime) -> forecast.Month:
    """This month, of everything or of the project that is asked for."""
    configured, project = asked.here.settings.ceilings, wanted.project or None
    after = configured.projection_after
    if wanted == Wanted(project=wanted.project) and not asked.query.get("since") and not asked.query.get("until"):
        # The page's own period is the month: it is added up already.
        month = forecast.month_with(connection, now, after, project, found.total.spent, found.total.held)
    else:
        month = forecast.month(connection, now, after, project)
    return with_setting(month, configured, project)


def _every_day(found: Costs, span: Period, now: datetime) -> list[tuple[str, Any]]:
    """The days of the period until today, the last of them, also those on which nothing was spent."""
    if not found.days:
        return []
    none, first = type(found.total)(), max(span.since, datetime.fromisoformat(min(found.days)).replace(tzinfo=UTC))
    last = min(span.until - timedelta(microseconds=1), max(now, first))
    count = min((last.date() - first.date()).days + 1, DAYS)
    days = [f"{last.date() - timedelta(days=back):%Y-%m-%d}" for back in reversed(range(count))]
    return [(day, found.days.get(day, none)) for day in days]


def _limit(connection: Connection, one: Ceiling) -> Limit:
    level = level_of(one.scope)
    trace = one.trace if level == "run" else ""
    # A run that waits at its own ceiling takes the decision at its gate.
    view = ceiling_gate(connection, trace) if trace else None
    gate = view.gate if view is not None and view.ceiling is not None and not view.ceiling.shared else ""
    shared = level not in ("run", "slice")
    # A name that cannot be shown as it is takes the command: nobody can see what the form would be about.
    raises = level != "slice" and shown(one.scope) == one.scope
    return Limit(one, one.left, one.resets_at, raises, shared, trace, gate)


def raise_ceiling(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> Wake | None:
    """Set a shared ceiling, or raise that of a run that does not ask at a gate, as `baton budget raise`; who waits is woken."""
    scope, why, seen = fields.get("scope", ""), said(fields), fields.get("seen", "")
    if not seen.isdecimal() or len(seen) > 18:
        raise Refused("this form does not say which ceiling it was shown with; load the page again. Nothing was done")
    typed = Said(by, why, setting.amount(fields.get("to", ""), "the new ceiling"), channel=CHANNEL, seen=int(seen))
    settings, policy, runs = asked.here.settings, asked.here.policy(connection), {}
    if scope.startswith("run:"):
        run = setting.find_run(connection, scope.removeprefix("run:"))
        setting.check_allowed(policy, typed, run.owner, run=True)
        view = ceiling_gate(connection, run.trace)
        if view is not None and view.ceiling is not None and not view.ceiling.shared:
            raise Refused(f"{run.workflow_id} waits at its ceiling: decide at its gate {view.gate}. Nothing was done")
        setting.set_run(connection, run, typed)
        runs = {} if run.has_ended else {run.workflow_id: run.trace}
    elif setting.shared_scope(scope, datetime.now(UTC)) == scope:
        setting.check_allowed(policy, typed, policy.defaults.owner, run=False)
        setting.set_shared(connection, settings, scope, typed, lower=fields.get("lower") == "1")
        runs = waiting_runs(connection, scope)
    else:
        raise Refused("this is no ceiling that can be set here; nothing was done")
    return Wake("nudge", runs) if runs else None
