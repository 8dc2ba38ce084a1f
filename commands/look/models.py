"""`baton models`: routes, the state of their models, and closing a circuit breaker by hand."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import LOOK, By, Json, named, open_ledger, reason, settings
from commands.errors import Code
from commands.output import Out, clock, safe
from commands.probe.probe import probe
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from commands.look.routes import Route
    from ledger.views.models import BreakerView

DAYS = 7
"""Days over which replies are counted."""


def add_to(app: typer.Typer) -> None:
    """Add this group of commands to the app."""
    group = typer.Typer(help="Show routes, models and circuit breakers; close a breaker by hand; probe an endpoint.")
    app.add_typer(group, name="models", rich_help_panel=LOOK)
    group.callback(invoke_without_command=True)(models)
    group.command("close")(close)
    group.command("probe")(probe)


def models(context: typer.Context, as_json: Json = False) -> None:
    """Show every route: choices, API key, price, circuit breaker, rate limits, step-ups. Exit code 1 if a breaker is open."""
    if context.invoked_subcommand is not None:
        return
    out, found = Out(as_json=as_json), settings()
    from activities.agents.catalogue import load_catalogue
    from activities.tools.registry import TOOLS
    from commands.look.routes import routes
    from commands.workers import other_settings, workers_of
    from ledger.views.agents import answers
    from ledger.views.models import noteworthy

    catalogue = load_catalogue(found.agents, TOOLS)
    with open_ledger(found, create=True) as ledger:
        from ledger.views.causes import kept_by

        now = datetime.now(UTC)
        rows = ledger.read_now(routes, found, catalogue.routes, now)
        alone = ledger.read_now(noteworthy)
        counted = ledger.read_now(answers, now - timedelta(days=DAYS))
        there = workers_of(ledger, found.task_queue)
        others = other_settings(found, ledger, there)
        kept = {one.name: list(dict.fromkeys(gate.run for gate in ledger.read_now(kept_by, one.name))) for one in alone}
    breakers = [_breaker(one, kept[one.name]) for one in alone]
    out.document(
        routes=[row.as_json() for row in rows], breakers=breakers, answers=[asdict(one) for one in counted], warning=others
    )
    columns = ("CLASS", "MODEL", "WHEN", "KEY", "$/M IN", "$/M OUT", "STATE", "THIS MINUTE")
    out.table(columns, [_cells(row) for row in rows], words=("WHEN", "STATE", "THIS MINUTE"))
    for one in alone:
        waiting = (
            f"; {amount(len(kept[one.name]), 'run')} at a gate for it: {', '.join(kept[one.name])}" if kept[one.name] else ""
        )
        out.line(f"{one.name} is {one.shown}{_until(one.changes_at)}: {safe(one.why)}{safe(waiting, 2000)}")
    for agent in counted:
        replies = "1 reply" if agent.answers == 1 else f"{agent.answers} replies"
        text = f"{replies} in {DAYS} days{_steps(agent.stepped_up)}{_spare(agent.outage)}"
        out.line(f"{agent.agent}: {text}")
    if others:
        out.note(f"warning: {others} (`baton down`, then `baton up`)")
    stopped = [one for one in alone if not one.is_closed]
    if stopped:
        closing = command("models close", *(one.name for one in stopped), options='-m "why"')
        out.note(f"each is probed with one call when its time is up; `{closing}` has them asked again now")
    raise typer.Exit(int(Code.FAILED if stopped else Code.DONE))


def close(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME…", help="Breaker names as shown by `baton models`: model:…, provider:… or agent:…"),
    ],
    why: Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")],
    by: By = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for each run's answer.")
    ] = 10.0,
    as_json: Json = False,
) -> None:
    """Close circuit breakers by hand: every worker calls again within a second, and the runs that wait for them go on.

    Gates that were opened because of them are approved in your name, which has the model asked again. Further failures open
    them again.
    """
    from commands.decide.closing import close_all

    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        found = close_all(ledger, names, named("--by", by), reason(why), timeout)
    out.document(closed=found.names, gates=found.gates, woken=found.woken, warning=found.warning)
    out.line(f"{', '.join(names)}: calls are made again")
    for gate, outcome in found.gates.items():
        out.line(f"  {safe(gate)}: {'asks again' if outcome == 'confirmed' else safe(outcome, 1000)}")
    for run in found.woken:
        out.line(f"  {safe(run)}: woken")
    if found.warning:
        out.note(f"warning: {found.warning}")
    refused = any(outcome not in ("confirmed", "unconfirmed") for outcome in found.gates.values())
    raise typer.Exit(int(Code.REFUSED if refused else Code.DONE))


def _cells(row: "Route") -> list[str]:
    return [
        row.model_class,
        row.model,
        ", ".join(row.when),
        {True: "yes", False: "no", None: "unknown"}[row.key],
        *("unknown" if price is None else f"{price / 1_000_000:g}" for price in (row.price_in, row.price_out)),
        f"{row.state}{_until(row.until)}",
        row.minute,
    ]


def _breaker(one: "BreakerView", runs: list[str]) -> dict[str, Any]:
    since = None if one.is_closed else one.opened_at
    state = {"state": one.shown, "since": since, "until": one.changes_at}
    return {"breaker": one.name, **state, "failures": one.failures, "why": one.why, "runs": runs}


def _until(until: datetime | None) -> str:
    return "" if until is None else f" until {clock(until)}"


def _spare(answered: int) -> str:
    return f", {answered} as fallback while another model was unavailable" if answered else ""


def _steps(stepped: dict[str, int]) -> str:
    return "".join(f", {count} stepped up for {reason}" for reason, count in sorted(stepped.items()))
