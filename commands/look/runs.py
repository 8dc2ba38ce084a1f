"""`baton runs`, `show`, `result`: the runs, their current state, and how they ended."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands import workers
from commands.asking import found, run_named
from commands.context import LOOK, Json, Project, Run, connect, open_ledger, settings, watching
from commands.errors import Code, NothingYet, Usage
from commands.look.now import Now, now, told
from commands.look.pending import as_json as pending_as_json
from commands.output import Out, left, moment, safe
from commands.running import going_line
from commands.text import ONE_FORM, code_of, how_to_answer, tell_report, tell_state, usd
from commands.unrecorded import Unrecorded
from commands.untold import lines, untold
from contracts.printed import command
from contracts.text import title

if TYPE_CHECKING:
    from ledger.db import Ledger
    from ledger.views.notices import Trouble
    from ledger.views.runs import Listed, RunView


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
    out, at, there, every = Out(as_json=as_json), Now(), None, 0
    unsent: list[Trouble] = []
    try:
        with open_ledger(at_hand := settings()) as ledger:
            from ledger.views.runs import count, recent

            rows = ledger.read_now(recent, limit, project)
            # Of one project without an open run Temporal can tell nothing, and loading its client takes a third of the time.
            asks = project is None or any(not row.run.has_ended or row.run.gone for row in rows)
            queue = at_hand.task_queue if asks else ""
            at = asyncio.run(now(out, ledger, [row.run.trace for row in rows], queue=queue))
            if at.changed:
                rows = ledger.read_now(recent, limit, project)
            every, there = ledger.read_now(count, project), workers.workers_of(ledger, at_hand.task_queue)
            unsent = untold(ledger)
    except NothingYet as nothing:
        out.note(str(nothing))
        rows = []
    starting = list(at.unrecorded) if project is None else []
    refused = list(at.refused) if project is None else []
    stuck, left_out = at.stuck_of(rows, every=project is None), max(every - len(rows), 0)
    who = {"workers": workers.as_json(there)} if there else {}
    out.document(
        runs=[_as_json(row, at) for row in rows],
        left_out=left_out,
        starting=[one.fields() for one in starting],
        stuck=[asdict(one) for one in stuck],
        refused=[asdict(one) for one in refused],
        untold=[asdict(one) for one in unsent],
        **who,
    )
    if not rows and not starting:
        out.note("no runs" + (f" in project {project!r}" if project else ""))
        for line in told((), (), refused):
            out.note(line)
        return
    table = [*(_starting(one) for one in starting), *(_as_row(row) for row in rows)]
    columns = ("RUN", "STATE", "STAGE", "SPENT", "CEILING", "GATES", "STARTED (UTC)", "ASKED")
    out.table(columns, table, words=("ASKED",))
    if left_out:
        out.note(f"{left_out} more, older; `{command('runs', options=f'--limit {every}')}` shows them")
    for row in (row for row in rows if not row.newest):
        out.note(f"{row.name} is an earlier run of the workflow id {safe(row.run.workflow_id)}, which another run has taken")
    for line in (*told(at.held_up(rows), stuck, refused), *(line for one in unsent for line in lines(one))):
        out.note(line)
    if there and not all(row.run.has_ended for row in rows):
        workers.tell_if_nobody_works(out, there)


def _starting(one: "Unrecorded") -> list[str]:
    return [one.run, one.state, "-", "-", "-", "-", moment(one.started_at), title(one.asked, 50)]


def _as_row(row: "Listed") -> list[str]:
    from ledger.views.asked import asked_of

    run, money = row.run, (usd(row.money.spent), usd(row.money.ceiling))
    gates = f"{row.open_gates} open" if row.open_gates else "-"
    asked = title(asked_of(run.pipeline, run.asked).what, 50)
    return [row.name, run.state, run.stage, *money, gates, moment(run.started_at), asked]


def _as_json(row: "Listed", at: Now) -> dict[str, Any]:
    run, under_way = row.run, at.pending.get(row.run.trace, ())
    fields = {name: getattr(run, name) for name in ("pipeline", "project", "owner", "state", "stage", "waiting_for", "next")}
    money = {f"{name}_micros": amount for name, amount in asdict(row.money).items()}
    instants = {name: getattr(run, name) for name in ("started_at", "updated_at", "ended_at")}
    seen = {"open_gates": row.open_gates, "pending": pending_as_json(under_way)}
    return {"run": run.workflow_id, "trace": run.trace, **fields, **seen, **money, **instants}


def show(
    run: Run,
    gate: Annotated[
        str | None, typer.Option("--gate", "-g", help="Show what this gate decides on: the plan or the diff.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one run: its state, what it waits for, its gates, handoffs, actions and cost."""
    from commands.look import page, starting
    from ledger.db import instant
    from ledger.views import steps
    from ledger.views.details import details
    from ledger.views.gates import subject_of

    out, at_hand = Out(as_json=as_json), settings()
    with open_ledger(at_hand) as ledger:
        there = run_named(out, ledger, run, effects=True)
        if isinstance(there, Unrecorded):
            starting.show(out, ledger, at_hand, there)
            return
        at = asyncio.run(now(out, ledger, [there.trace]))
        if gate is not None:
            page.show_gate(out, ledger.read_now(subject_of, ledger.files, there.trace, gate))
            return
        view = ledger.read_now(details, there.trace, page.RECENT)
        who = workers.workers_of(ledger, at_hand.task_queue)
        going, clock_now = ledger.read_now(steps.under_way, there.trace), ledger.read_now(instant)
    under_way = at.pending.get(there.trace, ())
    running = [asdict(one) for one in going]
    out.document(**page.as_json(view), running=running, pending=pending_as_json(under_way), workers=workers.as_json(who))
    page.tell(out, at_hand, view, under_way, [going_line(one, clock_now) for one in going])
    if not view.run.has_ended:
        workers.tell_if_nobody_works(out, who)


def result(
    run: Run,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the run ends.")] = False,
    wait_for_gate: Annotated[
        bool, typer.Option("--wait-for-gate", help="Wait until the run ends or needs a person (exit code 4).")
    ] = False,
    form: Annotated[
        Literal["markdown", "sarif"] | None,
        typer.Option("--as", help="Print the report of a review in this form, and nothing else to stdout."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how a run ended. Exit code: 0 done, 1 not done, 2 refused input, 4 waits for a person, 8 no budget, 9 not ended,
    10 findings as bad as --fail-on."""
    from commands.look import starting

    out = Out(as_json=as_json, form=form)
    if form is not None and as_json:
        raise Usage(ONE_FORM)
    with open_ledger(settings()) as ledger:
        there = found(out, ledger, run)
        name = there.run if isinstance(there, Unrecorded) else there.workflow_id
        if form is not None:
            _check_form(name, there.pipeline, form)
        if (wait or wait_for_gate) and not (isinstance(there, Unrecorded) and not there.is_running):
            code, fields = asyncio.run(_follow(out, ledger, name, there.trace, stop_at_gate=wait_for_gate))
            out.document(run=name, trace=there.trace, **fields)
            raise typer.Exit(int(code))
        if isinstance(there, Unrecorded):
            raise typer.Exit(int(starting.tell_end(out, there)))
        raise typer.Exit(int(_tell_end(out, ledger, there)))


async def _follow(out: Out, ledger: "Ledger", run: str, trace: str, *, stop_at_gate: bool) -> tuple[Code, dict[str, Any]]:
    from commands.look.watch import Follower
    from connection import Unreachable

    try:
        handle = (await connect(ledger=ledger)).get_workflow_handle(run)
    except Unreachable as error:
        out.note(f"warning: {error}; following the ledger only")
        handle = None
    with watching(run):
        return await Follower(out, ledger, run, trace, handle).until_end(stop_at_gate=stop_at_gate)


def _check_form(name: str, pipeline: str, form: str) -> None:
    from contracts.pipelines import BY_WORKFLOW

    spec = BY_WORKFLOW.get(pipeline)
    if spec is not None and form not in spec.report.forms:
        raise Usage(f"{safe(name, 1000)} is no review, and has no report in the form {form}. Leave --as out")


def _tell_end(out: Out, ledger: "Ledger", run: "RunView") -> Code:
    name = run.workflow_id
    if run.has_ended:
        report = run.report or {}
        out.document(run=name, trace=run.trace, state=run.state, report=report or None)
        if report:
            tell_report(out, report)
        else:
            tell_state(out, f"{safe(name, 1000)}: {run.state}; it left no report")
        return code_of(run.state, report.get("reason", ""), report)
    from ledger.gates import open_gates

    waiting = ledger.read_now(open_gates, trace=run.trace)
    out.document(run=name, trace=run.trace, state=run.state, report=None, gates=[view.gate for view in waiting])
    tell_state(out, f"{safe(name, 1000)} has not ended: it is {run.state} ({safe(run.stage)}); next: {safe(run.next)}")
    for view in waiting:
        tell_state(out, f"  {view.gate} waits for a person ({left(view.deadline)} left): {how_to_answer(view, name)[0]}")
    out.note(f"`{command('result', name, options='--wait')}` waits until it ends")
    return Code.WAITS if waiting else Code.NOT_ENDED
