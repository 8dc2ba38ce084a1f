"""`baton gates`: the open gates."""

from typing import TYPE_CHECKING

import typer

from commands import workers
from commands.asking import brought_up_to_date
from commands.context import DECIDE, Json, Project, open_ledger, settings
from commands.errors import NothingYet
from commands.output import Out, left, safe
from commands.text import how_to_answer

if TYPE_CHECKING:
    from contracts.gates import GateView


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=DECIDE)(gates)


def gates(project: Project = None, as_json: Json = False) -> None:
    """List open gates, most urgent first, with the commands that decide them."""
    out, found, there = Out(as_json=as_json), settings(), None
    try:
        with open_ledger(found) as ledger:
            from ledger.views import gates as views

            waiting = ledger.read_now(views.waiting, project)
            if brought_up_to_date(out, ledger, {view.trace for _, view in waiting}).changed:
                waiting = ledger.read_now(views.waiting, project)
            there = workers.workers_of(ledger, found.task_queue)
    except NothingYet as nothing:
        out.note(str(nothing))
        waiting = []
    out.document(
        gates=[view.model_dump(mode="json") | {"run": run, "commands": how_to_answer(view, run)} for run, view in waiting],
        **({"workers": workers.as_json(there)} if there else {}),
    )
    if not waiting:
        out.note("nothing waits for a person")
        return
    out.table(("RUN", "GATE", "LEFT", "RISK", "WHAT", "SUBJECT"), [_row(run, view) for run, view in waiting])
    run, view = waiting[0]
    out.note(f"  next    baton show {run} --gate {view.gate}   then {how_to_answer(view, run)[0]}")
    if there:
        workers.tell_if_nobody_works(out, there)


def _row(run: str, view: "GateView") -> list[str]:
    risk = view.risk.split(":")[0] or "-"
    return [run, view.gate, left(view.deadline), risk, safe(view.title, 70), view.subject[:12]]
