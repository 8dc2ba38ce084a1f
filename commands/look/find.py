"""`baton find`: handoffs by what made them, what they claim, and what they came from."""

from dataclasses import asdict
from typing import Annotated

import typer

from commands.context import LOOK, Json, Project, open_ledger, settings
from commands.errors import Usage
from commands.output import Out, clock, safe
from commands.periods import Since, Until
from commands.selecting import Agent, Claim, Model, Source, selection

MOST = 1000

Limit = Annotated[int, typer.Option("--limit", min=1, max=MOST, help="Show at most this many, the newest first.")]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(find)


def find(
    claim: Claim = "",
    source: Source = "",
    agent: Agent = "",
    model: Model = "",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Find handoffs over all runs by claim, source, agent version, model and time; all that is asked for has to fit."""
    from ledger.views.selection import select_handoffs

    wanted = selection(claim, source, agent, model, since, until, project)
    if wanted is None:
        raise Usage("say what to find: --claim, --source, --agent, --model, --since or --until; `baton find --help` has all")
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        # One more than is shown tells that there are more.
        found = ledger.read_now(select_handoffs, wanted, limit + 1)
    shown = found[:limit]
    out.document(handoffs=[asdict(one) for one in shown], complete=len(found) <= limit)
    if not found:
        out.note("no handoff fits all of this")
        return
    rows = [(one.id[:12], one.run, one.path, one.outcome, one.agent, one.model, clock(one.at), one.says) for one in shown]
    out.table(("ID", "RUN", "PATH", "OUTCOME", "AGENT", "MODEL", "AT", "CLAIM"), rows, words=("CLAIM",))
    for one in shown:
        if one.condemned:
            out.line(f"{one.id[:12]}  {safe(one.condemned, 400)}")
    if len(found) > limit:
        out.note(f"there are more; --limit {min(MOST, limit * 4)} shows more of them")
