"""`baton runs`, `show`, `result`: the runs, their current state, and how they ended."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import LOOK, Json, Project, Run, connect, open_ledger, settings, watching
from commands.errors import Code, NothingYet, first_line
from commands.output import Out, left, moment, safe
from commands.text import code_of, how_to_answer, tell_report, usd
from contracts.printed import command
from contracts.text import title

if TYPE_CHECKING:
    from commands.doctor.stuck import Stuck
    from ledger.db import Ledger
    from ledger.views.runs import Listed, RunView

PATIENCE = 5.0
"""Seconds that `baton runs` waits for Temporal, which is asked only for stuck runs; the rest is in the ledger."""


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command(rich_help_panel=LOOK)(runs)
    app.command(rich_help_panel=LOOK)(show)
    app.command(rich_help_panel=LOOK)(result)


def runs(
    project: Project = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="Most runs to list.")] = 20,
    as_json: Json = False,
) -> None:
    """List runs with their state, cost and open gates, newest first."""
    out, every = Out(as_json=as_json), 0
    try:
        with open_ledger(settings()) as ledger:
            from ledger.views.runs import count, recent

            rows, every = ledger.read_now(recent, limit, project), ledger.read_now(count, project)
    except NothingYet as nothing:
        out.note(str(nothing))
        rows = []
    stuck = _stuck(out, rows, every=project is None)
    left_out = max(every - len(rows), 0)
    out.document(runs=[_as_json(row) for row in rows], left_out=left_out, stuck=[asdict(one) for one in stuck])
    if not rows:
        out.note("no runs" + (f" in project {project!r}" if project else ""))
        return
    columns = ("RUN", "STATE", "STAGE", "SPENT", "CEILING", "GATES", "STARTED (UTC)", "ASKED")
    out.table(columns, [_as_row(row) for row in rows], words=("ASKED",))
    if left_out:
        out.note(f"{left_out} more, older; `{command('runs', options=f'--limit {every}')}` shows them")
    for line in (line for one in stuck for line in one.lines()):
        out.note(line)


def _stuck(out: Out, rows: "list[Listed]", *, every: bool) -> "list[Stuck]":
    """Stuck runs: `every` one, or only those listed. The ledger cannot know: their tasks fail before they write to it."""
    # A child that is stuck counts for its run: its id begins with the run's and a dot.
    going = [row.run.workflow_id for row in rows if not row.run.has_ended]
    if not going:
        return []
    found = asyncio.run(_stuck_in_temporal(out))
    return [one for one in found if every or any(f"{one.workflow}.".startswith(f"{run}.") for run in going)]


async def _stuck_in_temporal(out: Out) -> "list[Stuck]":
    from temporalio.service import RPCError

    from commands.doctor.stuck import stuck_runs
    from connection import Unreachable

    try:
        # The list itself is in the ledger: a slow Temporal must not hold it up.
        async with asyncio.timeout(PATIENCE):
            return await stuck_runs(await connect())
    except TimeoutError:
        why = f"it did not answer within {PATIENCE:g} s"
    except (Unreachable, RPCError) as error:
        why = safe(first_line(error))
    out.note(f"could not ask Temporal which runs are stuck: {why}")
    return []


def _as_row(row: "Listed") -> list[str]:
    from ledger.views.asked import asked_of

    run, money = row.run, (usd(row.money.spent), usd(row.money.ceiling))
    gates = f"{row.open_gates} open" if row.open_gates else "-"
    asked = title(asked_of(run.pipeline, run.asked).what, 50)
    return [run.workflow_id, run.state, run.stage, *money, gates, moment(run.started_at), asked]


def _as_json(row: "Listed") -> dict[str, Any]:
    run = row.run
    fields = {name: getattr(run, name) for name in ("pipeline", "project", "owner", "state", "stage", "waiting_for", "next")}
    money = {f"{name}_micros": amount for name, amount in asdict(row.money).items()}
    instants = {name: getattr(run, name) for name in ("started_at", "updated_at", "ended_at")}
    return {"run": run.workflow_id, "trace": run.trace, **fields, "open_gates": row.open_gates, **money, **instants}


def show(
    run: Run,
    gate: Annotated[
        str | None, typer.Option("--gate", "-g", help="Show what this gate decides on: the plan or the diff.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one run: its state, what it waits for, its gates, handoffs, actions and cost."""
    from commands.look import page
    from ledger.views.details import details
    from ledger.views.gates import subject_of

    out, found = Out(as_json=as_json), settings()
    with open_ledger(found) as ledger:
        if gate is not None:
            page.show_gate(out, ledger.read_now(subject_of, ledger.files, run, gate))
            return
        view = ledger.read_now(details, run, page.RECENT)
    out.document(**page.as_json(view))
    page.tell(out, found, view)


def result(
    run: Run,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the run ends.")] = False,
    wait_for_gate: Annotated[
        bool, typer.Option("--wait-for-gate", help="Wait until the run ends or needs a person (exit code 4).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show how a run ended. Exit code: 0 done, 1 not done, 2 refused input, 4 waits for a person, 8 no budget, 9 not ended."""
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        from ledger.views.runs import find_run

        found = ledger.read_now(find_run, run)
        if wait or wait_for_gate:
            code, fields = asyncio.run(_follow(out, ledger, found.workflow_id, found.trace, stop_at_gate=wait_for_gate))
            out.document(run=found.workflow_id, trace=found.trace, **fields)
            raise typer.Exit(int(code))
        raise typer.Exit(int(_tell_end(out, ledger, found)))


async def _follow(out: Out, ledger: "Ledger", run: str, trace: str, *, stop_at_gate: bool) -> tuple[Code, dict[str, Any]]:
    from commands.look.watch import Follower
    from connection import Unreachable

    try:
        handle = (await connect()).get_workflow_handle(run)
    except Unreachable as error:
        out.note(f"warning: {error}; following the ledger only")
        handle = None
    with watching(run):
        return await Follower(out, ledger, run, trace, handle).until_end(stop_at_gate=stop_at_gate)


def _tell_end(out: Out, ledger: "Ledger", run: "RunView") -> Code:
    name = run.workflow_id
    if run.has_ended:
        report = run.report or {}
        out.document(run=name, trace=run.trace, state=run.state, report=report or None)
        if report:
            tell_report(out, report)
        else:
            out.line(f"{name}: {run.state}; it left no report")
        return code_of(run.state, report.get("reason", ""))
    from ledger.gates import open_gates

    waiting = ledger.read_now(open_gates, trace=run.trace)
    out.document(run=name, trace=run.trace, state=run.state, report=None, gates=[view.gate for view in waiting])
    out.line(f"{name} has not ended: it is {run.state} ({safe(run.stage)}); next: {safe(run.next)}")
    for view in waiting:
        out.line(f"  {view.gate} waits for a person ({left(view.deadline)} left): {how_to_answer(view, name)[0]}")
    out.note(f"`{command('result', name, options='--wait')}` waits until it ends")
    return Code.WAITS if waiting else Code.NOT_ENDED
