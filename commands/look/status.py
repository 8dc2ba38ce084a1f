"""`baton status`: what was done, why, what comes next, and whether to act or to wait."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from commands import unsettled, untold, workers
from commands.context import LOOK, Json, Project, open_ledger, settings
from commands.decide import pausing
from commands.errors import NothingYet
from commands.look.now import Now, now
from commands.output import Out, clock, left, safe
from commands.running import going_line
from commands.text import how_to_answer, usd
from contracts.printed import command
from contracts.runbooks import AlertKind, of_alert, of_gate
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.views.status import Status
    from ledger.views.steps import UnderWay

FIRST = 3
"""How many gates are named: `baton gates` has all."""


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(status)


def status(project: Project = None, as_json: Json = False) -> None:
    """Say how everything stands: what was done last, why, what comes next; what to do now, or until when to wait.

    Without Temporal it says what the ledger knows: all but runs that are stuck.
    """
    out, at_hand = Out(as_json=as_json), settings()
    try:
        with open_ledger(at_hand) as ledger:
            from ledger.views import status as views
            from ledger.views import steps
            from ledger.views.runs import names_of

            wanted = (at_hand.ceilings, at_hand.task_queue, project)
            found = ledger.read_now(views.status, *wanted)
            traces = [one.trace for one in found.going]
            at = asyncio.run(now(out, ledger, traces, queue=at_hand.task_queue if traces else ""))
            if at.changed:
                found = ledger.read_now(views.status, *wanted)
            shown = [*found.going, *found.gone]
            names = ledger.read_now(names_of, [one.trace for one in shown])
            going = ledger.read_now(lambda connection: {trace: steps.under_way(connection, trace) for trace in traces})
    except NothingYet as nothing:
        out.note(str(nothing))
        out.document(status=None)
        return
    todo = list(_todo(found, at))
    running = {trace: [asdict(one) for one in some] for trace, some in going.items() if some}
    out.document(status=_as_json(found) | {"running": running, "stuck": [asdict(one) for one in at.stuck], "act": todo})
    for line in (*_last(found), *_act(found, todo), *_runs(found, names, going), *_works(found), *_money(found)):
        out.line(line)


def _last(found: "Status") -> Iterator[str]:
    last = found.last
    if last is None:
        yield "DID      nothing yet"
        return
    of = f"  {safe(last.run, 1000)}" if last.run else ""
    yield f"DID      {clock(last.at)}{of}  {safe(last.actor, 80)}: {safe(last.did)}"
    yield f"WHY      {safe(last.why, 1000) or 'not said'}"
    yield f"NEXT     {safe(last.next) or 'not said'}"


def _todo(found: "Status", at: Now) -> Iterator[dict[str, Any]]:
    """What somebody has to do, the most urgent kind first: in words, the command that does it, until when, and its runbook."""
    if found.nobody_works:
        yield _one(f"NOBODY WORKS: {found.nobody_works}", "baton up", of_alert("nobody_works"))
    for one in at.stuck:
        yield _one("; ".join(one.lines()), command("doctor"), of_alert("stuck_run"))
    for place, problem in found.wrong_agents:
        yield _one(f"worker {place}: {problem}", "baton agents list", of_alert("agent_version"))
    for run, view in found.needs:
        what = f"{view.gate} of {run}: {view.title}"
        yield _one(what, how_to_answer(view, run)[0], of_gate(view.kind)) | {"until": view.deadline}
    kinds: tuple[tuple[str, str, AlertKind], ...] = (
        ("unknown", "settle", "action_unknown"),
        ("dead", "retry, or abandon", "action_dead"),
    )
    for state, verb, kind in kinds:
        if count := found.actions.get(state):
            yield _one(f"{amount(count, f'{state} action')}: {verb}", "baton actions list", of_alert(kind))
    for held in found.held:
        yield _one(unsettled.line(held), command("condemned show", held.condemnation.id), of_alert("condemned"))
    for channel in found.untold:
        yield _one("; ".join(untold.lines(channel)), "baton notify list --state dead", of_alert("channel_fails"))


def _one(what: str, does: str, runbook: str) -> dict[str, Any]:
    return {"what": what, "command": does, "until": None, "runbook": runbook}


def _act(found: "Status", todo: list[dict[str, Any]]) -> Iterator[str]:
    gates = [one for one in todo if one["until"] is not None]
    for one in [*(one for one in todo if one["until"] is None), *gates[:FIRST]]:
        until = f" ({left(one['until'])} left)" if one["until"] is not None else ""
        yield f"ACT      {safe(one['what'], 1000)}{until}"
        yield f"         {one['command']}"
        yield f"         {command('runbook', one['runbook'])}"
    if len(gates) > FIRST:
        yield f"ACT      {amount(len(gates) - FIRST, 'more gate')}: `baton gates`"
    if not todo:
        until = f" until {clock(found.wait_until)}" if found.wait_until else ""
        yield f"WAIT{f'{until}: ' if until else '     '}nothing needs a person" + ("" if found.open else ", and no run is open")


def _runs(found: "Status", names: dict[str, str], going: "dict[str, list[UnderWay]]") -> Iterator[str]:
    counts = ", ".join(f"{count} {state}" for state, count in found.open.items())
    yield f"RUNS     {counts or 'none open'}"
    for one in found.going:
        waits = f"; waits for {safe(one.waiting_for)}" if one.waiting_for else ""
        yield f"         {safe(names[one.trace], 1000)}: {one.state} ({safe(one.stage, 40)}){waits}; next: {safe(one.next)}"
        yield from (f"           {going_line(each, found.at)}" for each in going.get(one.trace, ()))
    for one in found.gone:
        yield f"ENDED    {safe(names[one.trace], 1000)}: {one.state}{safe(one.how_it_ended)}"
        yield f"         {command('retry', names[one.trace])}"
        yield f"         {command('runbook', of_alert('run_ended'))}"
    if found.alerts:
        yield f"ALERTS   {found.alerts} within a day: `baton feed --alerts --since 1d`"


def _works(found: "Status") -> Iterator[str]:
    there = found.workers
    yield f"WORKERS  {', '.join(one.place for one in there.working) or 'none'} on task queue {safe(there.task_queue)}"
    for held in found.paused:
        yield f"PAUSED   {pausing.line(held)}"
    for one in found.breakers:
        until = f" until {clock(one.changes_at)}" if one.changes_at else ""
        yield f"BREAKER  {safe(one.name)} is {one.shown}{until}: {safe(one.why)}"
        yield f"         {command('runbook', of_alert('breaker_open'))}"
    if waits := {state: count for state, count in found.actions.items() if state not in ("unknown", "dead", "left")}:
        yield f"ACTIONS  {', '.join(f'{count} {state}' for state, count in waits.items())}"


def _money(found: "Status") -> Iterator[str]:
    for one in found.ceilings:
        waits = f"; {amount(one.waiting, 'run')} waiting" if one.waiting else ""
        spent = f"{usd(one.spent)} of {usd(one.ceiling)} spent, {usd(one.held)} held, {usd(one.left)} left"
        yield f"MONEY    {safe(one.name, 1000)}: {spent}{waits}"


def _as_json(found: "Status") -> dict[str, Any]:
    ceilings = [asdict(one) | {"left": one.left, "resets_at": one.resets_at} for one in found.ceilings]
    names = ("workflow_id", "trace", "state", "stage", "waiting_for", "next", "updated_at")
    return {
        "at": found.at,
        "paused": [pausing.as_json(one) for one in found.paused],
        "last": None if found.last is None else found.last.model_dump(mode="json"),
        "alerts": found.alerts,
        "open": dict(found.open),
        "going": [{name: getattr(one, name) for name in names} for one in found.going],
        "gone": [{name: getattr(one, name) for name in names} | {"how": one.how_it_ended.strip()} for one in found.gone],
        "gates": [{"run": run, "gate": view.gate, "deadline": view.deadline, "title": view.title} for run, view in found.needs],
        "nobody_works": found.nobody_works,
        "workers": workers.as_json(found.workers),
        "ceilings_micros": ceilings,
        "breakers": [asdict(one) | {"shown": one.shown} for one in found.breakers],
        "actions": dict(found.actions),
        "held": unsettled.fields(found.held),
        "untold": [asdict(one) for one in found.untold],
        "wait_until": found.wait_until,
    }
