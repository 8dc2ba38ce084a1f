"""`baton gates`: the open gates."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from commands import workers
from commands.asking import MOST
from commands.context import DECIDE, Json, Project, open_ledger, settings
from commands.errors import NothingYet
from commands.look.now import Now, now, told
from commands.output import Out, left
from commands.text import how_to_answer
from commands.untold import lines, untold
from contracts.printed import command, quoted
from contracts.runbooks import of_gate
from contracts.text import amount, title

if TYPE_CHECKING:
    from contracts.gates import GateView
    from ledger.views.causes import Cause


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=DECIDE)(gates)


def gates(project: Project = None, as_json: Json = False) -> None:
    """List open gates, most urgent first, with the commands that decide them. Runs that wait for the same are one entry."""
    from ledger.views.causes import causes

    out, at_hand, at, there, rows = Out(as_json=as_json), settings(), Now(), None, []
    try:
        with open_ledger(at_hand) as ledger:
            from ledger.views import gates as views
            from ledger.views.runs import recent

            waiting = ledger.read_now(views.waiting, project)
            rows = [row for row in ledger.read_now(recent, MOST, project) if not row.run.has_ended]
            # Those at a gate first: where there are too many to ask about all of them, these have to be right.
            traces = dict.fromkeys([*(view.trace for _, view in waiting), *(row.run.trace for row in rows)])
            at = asyncio.run(now(out, ledger, traces, queue=at_hand.task_queue if traces else ""))
            if at.changed:
                waiting = ledger.read_now(views.waiting, project)
                rows = ledger.read_now(recent, MOST, project)
            there, unsent = workers.workers_of(ledger, at_hand.task_queue), untold(ledger)
    except NothingYet as nothing:
        out.note(str(nothing))
        waiting, unsent = [], []
    refused = list(at.refused) if project is None else []
    found, held_up, stuck = causes(waiting), at.held_up(rows), at.stuck_of(rows, every=project is None)
    out.document(
        gates=[_fields(run, view) for run, view in waiting],
        causes=[{"names": one.names, "runs": one.runs, "command": solving(one)} for one in found if one.names],
        held_up=[one.fields() for one in held_up],
        stuck=[asdict(one) for one in stuck],
        refused=[asdict(one) for one in refused],
        untold=[asdict(one) for one in unsent],
        **({"workers": workers.as_json(there)} if there else {}),
    )
    if waiting:
        _tell(out, found)
    else:
        out.note("nothing waits for a person")
    for line in (*told(held_up, stuck, refused), *(line for one in unsent for line in lines(one))):
        out.note(line)
    if there and (waiting or rows):
        workers.tell_if_nobody_works(out, there)


def _tell(out: Out, found: "list[Cause]") -> None:
    out.table(("RUN", "GATE", "LEFT", "RISK", "WHAT", "SUBJECT"), [_row(one) for one in found], words=("WHAT",))
    for one in found:
        if one.names:
            out.line(f"{', '.join(one.names)} keeps {amount(len(one.runs), 'run')} waiting: {', '.join(one.runs)}")
            out.line(f"  {solving(one)}")
    run, view = found[0].gates[0].run, found[0].gates[0].view
    first = command("show", run, options=f"--gate {quoted(view.gate)}")
    out.note(f"  next    {first}")
    out.note(f"  then    {how_to_answer(view, run)[0]}")
    for kind in dict.fromkeys(gate.view.kind for one in found for gate in one.gates):
        out.note(f"  help    {command('runbook', of_gate(kind))}")


def _fields(run: str, view: "GateView") -> dict[str, Any]:
    more = {"run": run, "commands": how_to_answer(view, run), "runbook": of_gate(view.kind)}
    return view.model_dump(mode="json") | more


def solving(cause: "Cause") -> str:
    """The one command that lets all runs of a cause go on."""
    return how_to_answer(cause.gates[0].view, cause.gates[0].run)[0]


def _row(cause: "Cause") -> list[str]:
    run, view = cause.gates[0].run, cause.gates[0].view
    risk = view.risk.split(":")[0] or "-"
    if len(cause.gates) == 1:
        what = f"[{view.so_far}] {view.title}" if view.approvals > 1 else view.title
        return [run, view.gate, left(view.deadline), risk, title(what, 70), view.subject[:12]]
    # What is decided differs from gate to gate, so that no digest stands for all of them.
    gates = {one.view.gate for one in cause.gates}
    gate = view.gate if len(gates) == 1 else amount(len(cause.gates), "gate")
    whose = run if len(cause.runs) == 1 else amount(len(cause.runs), "run")
    return [whose, gate, left(view.deadline), risk, title(view.title, 70), "-"]
