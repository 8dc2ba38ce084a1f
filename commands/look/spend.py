"""`baton spend`: what was spent, on what, with what result, and the month's projection."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands.context import LOOK, Json, Project, open_ledger, settings
from commands.errors import Code
from commands.output import Out
from commands.periods import Since, Until, period, told

if TYPE_CHECKING:
    from contracts.money import Ceilings
    from ledger.db import Connection
    from ledger.figures.charges import Spending, Sums
    from ledger.figures.forecast import Month

Group = Literal["run", "agent", "model", "pipeline", "project", "day"]
UNKNOWN = "unknown"


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(spend)


def spend(
    by: Annotated[Group, typer.Option("--by", "-b", help="How to group.")] = "run",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=100_000, help="Most groups to show, most expensive first.")
    ] = 40,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 8 if the month has reached its ceiling or is projected to exceed it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show spending this UTC month, or since --since, as useful, retried, repaired or thrown away, with ceilings and trend."""
    out, found, now = Out(as_json=as_json), settings(), datetime.now(UTC)
    asked = period(since, until, now)
    with open_ledger(found) as ledger:
        from ledger.figures import charges, forecast

        spent = ledger.read_now(charges.spending, asked, by, project)
        month = ledger.read_now(forecast.month, now, found.ceilings.projection_after, project)
        month = with_setting(month, found.ceilings, project)
        ceilings = ledger.read_now(_ceilings, by, list(spent.groups)[:limit], found.ceilings, now)
    shown = dict(list(spent.groups.items())[:limit])
    named = [{"name": name or UNKNOWN, **_fields(sums), "ceiling_micros": ceilings.get(name)} for name, sums in shown.items()]
    times = {"since": asked.since, "until": asked.until}
    left, month_now = len(spent.groups) - len(shown), _month_fields(month)
    out.document(by=by, **times, project=project, total=_fields(spent.total), groups=named, left_out=left, month=month_now)
    _tell(out, by, spent, shown, ceilings)
    out.line(told(asked, until))
    out.line(_month_line(month, project))
    raise typer.Exit(int(Code.BUDGET if check and is_over(month) else Code.DONE))


def _fields(sums: "Sums") -> dict[str, Any]:
    money = {"spent": sums.spent, "unknown": sums.unknown, "held": sums.held}
    calls = {"calls": sums.calls, "calls_held": sums.calls_held, "calls_unknown": sums.calls_unknown}
    parts = {f"{name}_micros": amount for name, amount in sums.parts.items()}
    return {f"{name}_micros": amount for name, amount in money.items()} | parts | calls


def with_setting(month: "Month", configured: "Ceilings", project: str | None) -> "Month":
    """Fill in the configured ceiling if no call has counted against it yet."""
    from contracts.money import Levels, micros

    own = configured if project is None else configured.projects.get(project, Levels())
    if month.ceiling is not None or own.month_usd is None:
        return month
    return replace(month, ceiling=micros(own.month_usd))


def _ceilings(
    connection: "Connection", by: Group, names: list[str], configured: "Ceilings", now: datetime
) -> dict[str, int | None]:
    """The ceiling of each group that has one: a run's, an agent's for today, a project's for this month."""
    from contracts.money import micros
    from ledger.figures.forecast import ceilings_of, ceilings_of_runs

    own, default = configured.projects, configured.agent_day_usd
    if by == "run":
        return ceilings_of_runs(connection, names)
    if by == "agent":
        # A ceiling counts for all versions of an agent together.
        scopes = {name: f"agent:{name.partition('@')[0]}:{now:%Y-%m-%d}" for name in names}
        usual = dict.fromkeys(names, default)
    elif by == "project":
        scopes = {name: f"project:{name}:month:{now:%Y-%m}" for name in names}
        usual = {name: own[name].month_usd if name in own else None for name in names}
    else:
        return {}
    there = ceilings_of(connection, list(scopes.values()))
    return {name: there.get(scope, None if (usd := usual[name]) is None else micros(usd)) for name, scope in scopes.items()}


_OF = {"agent": " a day", "project": " a month"}


def _tell(out: Out, by: Group, spent: "Spending", shown: "dict[str, Sums]", ceilings: dict[str, int | None]) -> None:
    from contracts.money import usd
    from contracts.text import amount, amount_that

    def row(name: str, sums: "Sums", ceiling: int | None) -> list[str]:
        money = [usd(one) for one in (sums.spent, *sums.parts.values(), sums.held)]
        return [name or UNKNOWN, str(sums.calls), *money, "-" if ceiling is None else usd(ceiling) + _OF.get(by, "")]

    rows = [row(name, sums, ceilings.get(name)) for name, sums in shown.items()]
    columns = (by.upper(), "CALLS", "SPENT", "USEFUL", "RETRIED", "REPAIRED", "THROWN AWAY", "HELD", "CEILING")
    out.table(columns, [*rows, row("total", spent.total, None)])
    if spent.total.calls_unknown:
        most, calls = usd(spent.total.unknown), amount(spent.total.calls_unknown, "call")
        out.line(f"{most} of it ({calls}) is an upper bound: the real cost is unknown")
    left = len(spent.groups) - len(rows)
    if left > 0:
        out.note(f"{amount_that(left, 'more group', 'is', 'are')} in the total; --limit {len(spent.groups)} shows all")


def _month_fields(month: "Month") -> dict[str, Any]:
    from ledger.figures.forecast import NO_HISTORY

    money = {"spent": month.spent, "held": month.held, "ceiling": month.ceiling, "projected": month.projected}
    text = {} if month.projected is not None else {"projection": NO_HISTORY}
    return {"name": month.name} | {f"{name}_micros": amount for name, amount in money.items()} | text


def _month_line(month: "Month", project: str | None) -> str:
    from contracts.money import usd
    from ledger.figures.forecast import NO_HISTORY

    whose = f"month {month.name}" + (f" of project {project}" if project else "")
    ceiling = "no ceiling" if month.ceiling is None else f"ceiling {usd(month.ceiling)}"
    heading = NO_HISTORY if month.projected is None else usd(month.projected)
    return f"{whose}: {usd(month.spent)} spent, {usd(month.held)} held, {ceiling}, projected {heading}"


def is_over(month: "Month") -> bool:
    """True if the month has reached its ceiling, or is projected to exceed it."""
    if month.ceiling is None:
        return False
    # What is held counts as spent: it may become so without another decision.
    return month.spent + month.held >= month.ceiling or (month.projected or 0) > month.ceiling
