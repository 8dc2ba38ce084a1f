"""`baton impact`: what came from a thing, over all runs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from commands.context import LOOK, Json, open_ledger, settings
from commands.look.why import Id
from commands.output import Out, safe
from contracts.printed import command, quoted
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.db import Connection
    from ledger.views.impact import Impact

SHOWN = 50
"""Most runs in the table; `--json` has all."""


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(impact)


def impact(identity: Id, as_json: Json = False) -> None:
    """Show what came from a thing, over all runs: effects, open gates, and the runs that it touched."""
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        label, start, found = ledger.read_now(_read, identity)
    out.document(start=start, label=label, **as_fields(found))
    out.line(safe(label, 400), "bold")
    tell(out, found)


def as_fields(found: "Impact") -> dict[str, Any]:
    """What came from it, as JSON has it."""
    runs = [{"run": one.workflow_id, "trace": one.trace, "state": one.state, "stage": one.stage} for one in found.runs]
    return {
        "things": dict(found.things),
        "runs": runs,
        "effects": [asdict(one) for one in found.effects],
        "gates": [asdict(one) for one in found.gates],
        "complete": found.complete,
    }


def tell(out: Out, found: "Impact") -> None:
    """Print what came from it: effects first, because they are outside."""
    if not found.complete:
        out.line("  there is more than was looked at: what stands here is not all", "bold")
    counted = ", ".join(amount(number, _WORDS.get(kind, kind)) for kind, number in sorted(found.things.items()))
    out.line(f"  {amount(len(found.runs), 'run')}; {counted}")
    for one in found.effects:
        reference = f"  {safe(one.reference, 80)}" if one.reference else ""
        out.line(f"  effect   {one.state}: {safe(one.summary)} (run {safe(one.run)}){reference}")
    for gate in found.gates:
        out.line(f"  waiting  {command('show', gate.run, options=f'--gate {quoted(gate.gate)}')}")
    if found.runs:
        out.line()
        rows = [(one.workflow_id, one.state, one.stage, one.project) for one in found.runs[:SHOWN]]
        out.table(("RUN", "STATE", "STAGE", "PROJECT"), rows)
    if len(found.runs) > SHOWN:
        out.note(f"{len(found.runs) - SHOWN} more runs; --json has all")


_WORDS = {"tool": "tool call"}


def _read(connection: "Connection", identity: str) -> "tuple[str, str, Impact]":
    from ledger.views.impact import impact_of
    from ledger.views.origins import find_start

    origins, start = find_start(connection, identity)
    return origins.label(start), start.id, impact_of(connection, origins.starts(start))
