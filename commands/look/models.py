"""`baton models`: routes, the state of their models, and closing a circuit breaker by hand."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import LOOK, Json, open_ledger, os_user, settings
from commands.errors import Code
from commands.output import Out, clock, safe

if TYPE_CHECKING:
    from commands.look.routes import Route
    from ledger.views.models import BreakerView

DAYS = 7
"""Days over which replies are counted."""


def add_to(app: typer.Typer) -> None:
    """Add this group of commands to the app."""
    group = typer.Typer(help="Show routes, models and circuit breakers; close a breaker by hand.")
    app.add_typer(group, name="models", rich_help_panel=LOOK)
    group.callback(invoke_without_command=True)(models)
    group.command("close")(close)


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
        now = datetime.now(UTC)
        rows = ledger.read_now(routes, found, catalogue.routes, now)
        alone = ledger.read_now(noteworthy)
        counted = ledger.read_now(answers, now - timedelta(days=DAYS))
        there = workers_of(ledger, found.task_queue)
        others = other_settings(found, ledger, there)
    breakers = [_breaker(one) for one in alone]
    out.document(
        routes=[row.as_json() for row in rows], breakers=breakers, answers=[asdict(one) for one in counted], warning=others
    )
    out.table(("CLASS", "MODEL", "WHEN", "KEY", "$/M IN", "$/M OUT", "STATE", "THIS MINUTE"), [_cells(row) for row in rows])
    for one in alone:
        out.line(f"{one.name} is {one.shown}{_until(one.changes_at)}: {safe(one.why)}")
    for agent in counted:
        text = f"{agent.answers} replies in {DAYS} days{_steps(agent.stepped_up)}{_spare(agent.outage)}"
        out.line(f"{agent.agent}: {text}")
    if others:
        out.note(f"warning: {others} (`baton down`, then `baton up`)")
    stopped = [one for one in alone if not one.is_closed]
    if stopped:
        out.note("each is probed with one call when its time is up; `baton models close NAME -m why` closes one now")
    raise typer.Exit(int(Code.FAILED if stopped else Code.DONE))


def close(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Breaker name as shown by `baton models`: model:…, provider:… or agent:…")
    ],
    why: Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")],
    by: Annotated[str | None, typer.Option("--by", help="Who closes it; default: the current user.")] = None,
    as_json: Json = False,
) -> None:
    """Close a circuit breaker by hand: every worker calls again within a second. Further failures open it again."""
    from commands.look.routes import close_now

    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        ledger.tx_now(close_now, name, by or os_user(), why)
    out.document(closed=name)
    out.line(f"{name} is closed; calls resume")


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


def _breaker(one: "BreakerView") -> dict[str, Any]:
    since = None if one.is_closed else one.opened_at
    state = {"state": one.shown, "since": since, "until": one.changes_at}
    return {"breaker": one.name, **state, "failures": one.failures, "why": one.why}


def _until(until: datetime | None) -> str:
    return "" if until is None else f" until {clock(until)}"


def _spare(answered: int) -> str:
    return f", {answered} as fallback while another model was unavailable" if answered else ""


def _steps(stepped: dict[str, int]) -> str:
    return "".join(f", {count} stepped up for {reason}" for reason, count in sorted(stepped.items()))
