"""`baton budget show | raise | stop | reconcile`: ceilings, the runs that wait at them, and lost calls."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import DECIDE, By, Json, connect, named, open_ledger, policy_now, reason, settings
from commands.errors import Code, first_line
from commands.output import Out, clock, moment, safe
from commands.own_key import Sign, own_key
from commands.text import usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from commands.money.ceilings import Said
    from config import Settings
    from ledger.db import Ledger
    from ledger.views.money import Ceiling, LostCall

What = Annotated[
    str, typer.Argument(metavar="WHAT", help="A run id, month, agent:NAME, project:NAME:month or project:NAME:agent:NAME.")
]
Limit = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for the run's answer.")]


def add_to(app: typer.Typer) -> None:
    """Add this group of commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Show and raise ceilings; stop runs that wait at them.")
    app.add_typer(group, name="budget", rich_help_panel=DECIDE)
    group.command("show")(show)
    group.command("raise")(raise_)
    group.command("stop")(stop)
    group.command("reconcile")(reconcile)


def show(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Show only this run, with its children's slices.")] = None,
    as_json: Json = False,
) -> None:
    """Show what is spent, held and left of each ceiling, and which runs wait. Exit code 8 while a run waits at a ceiling."""
    out, found = Out(as_json=as_json), settings()
    with open_ledger(found) as ledger:
        from ledger.views.money import LOST_CALLS, ceilings_of_run, ceilings_of_today, lost_calls

        if run is None:
            rows = ledger.read_now(ceilings_of_today, found.ceilings, datetime.now(UTC))
        else:
            rows = ledger.read_now(ceilings_of_run, run)
        lost = ledger.read_now(lost_calls, None if run is None else rows[0].trace if rows else "")
    out.document(ceilings=[_ceiling(row) for row in rows], lost=[_lost_call(call) for call in lost])
    if rows:
        out.table(("CEILING", "IS", "SPENT", "HELD", "LEFT", "WAITING", "UNTIL (UTC)"), [_cells(row) for row in rows])
    else:
        out.note("nothing has been spent yet")
    if len(lost) == LOST_CALLS:
        out.note(f"only the newest {LOST_CALLS} of the calls below; `baton budget show RUN` shows those of one run")
    for call in lost:
        out.note(f"{call.told}, charged in full at {usd(call.charged)}: {call.key[:12]} {safe(call.agent)} {safe(call.model)}")
    waiting = sum(row.waiting for row in rows)
    if waiting:
        out.note(
            f"{waiting} waiting; `baton budget raise WHAT --to USD -m why` resumes them, "
            "`baton budget stop WHAT -m why` ends them"
        )
    raise typer.Exit(int(Code.BUDGET if waiting else Code.DONE))


def _cells(row: "Ceiling") -> list[str]:
    from contracts.money import resets_at

    until = resets_at(row.scope)
    money = [usd(row.ceiling), usd(row.spent), usd(row.held), usd(row.left)]
    return [row.name, *money, str(row.waiting or "-"), moment(until) if until else "-"]


def _ceiling(row: "Ceiling") -> dict[str, Any]:
    from contracts.money import resets_at

    money = {f"{name}_micros": getattr(row, name) for name in ("ceiling", "spent", "held")}
    return {"ceiling": row.name, "scope": row.scope, **money, "waiting": row.waiting, "resets_at": resets_at(row.scope)}


def _lost_call(call: "LostCall") -> dict[str, Any]:
    return {
        "key": call.key,
        "agent": call.agent,
        "model": call.model,
        "charged_micros": call.charged,
        "how": call.told,
        "at": call.at,
    }


def raise_(
    what: What,
    to: Annotated[str, typer.Option("--to", metavar="USD", help="The new ceiling (not the increase).")],
    why: Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")],
    by: By = None,
    sign: Sign = False,
    lower: Annotated[bool, typer.Option("--lower", help="Allow lowering a shared ceiling.")] = False,
    timeout: Limit = 10.0,
    as_json: Json = False,
) -> None:
    """Raise a run's or a shared ceiling. Every run that waits at it resumes."""
    from commands.money.ceilings import Said, amount, shared_scope

    out, found = Out(as_json=as_json), settings()
    who = named("--by", by)
    said = Said(who, reason(why), amount(to), own_key(who, sign=sign))
    scope = shared_scope(what, datetime.now(UTC))
    with open_ledger(found) as ledger:
        if scope is None:
            code = _raise_run(out, found, ledger, what, said, timeout)
        else:
            code = _raise_shared(out, found, ledger, scope, said, lower=lower)
    raise typer.Exit(int(code))


def _raise_run(out: Out, found: "Settings", ledger: "Ledger", what: str, said: "Said", limit: float) -> Code:
    from commands.money import ceilings
    from ledger.views.gates import ceiling_gate

    run = ledger.read_now(ceilings.find_run, what)
    ceilings.check_allowed(policy_now(found, ledger), said, run.owner, run=True)
    view = ledger.read_now(ceiling_gate, run.trace)
    # A run that waits at its own ceiling takes the decision at its gate. Otherwise there is no gate, only the ledger's row.
    if view is not None and view.ceiling is not None and not view.ceiling.shared:
        return _send(out, ledger, view, "raise_ceiling", said, limit)
    before, name = ledger.tx_now(ceilings.set_run, run, said), run.workflow_id
    _tell(out, ledger, f"run {name}", before, said, {} if run.has_ended else {name: run.trace})
    return Code.DONE


def _raise_shared(out: Out, found: "Settings", ledger: "Ledger", scope: str, said: "Said", *, lower: bool) -> Code:
    from commands.money import ceilings
    from ledger.views.money import waiting_runs

    policy = policy_now(found, ledger)
    ceilings.check_allowed(policy, said, policy.defaults.owner, run=False)
    # Raise first, wake afterwards: a run that is woken too early would find no room and wait again.
    before = ledger.tx_now(ceilings.set_shared, found, scope, said, lower=lower)
    _tell(out, ledger, scope, before, said, ledger.read_now(waiting_runs, scope))
    return Code.DONE


def _tell(out: Out, ledger: "Ledger", name: str, before: int, said: "Said", runs: "Mapping[str, str]") -> None:
    """Wake the waiting runs and print the result. The ceiling is already raised, whether or not Temporal answers."""
    from commands.money.ceilings import Nudged, nudge
    from connection import Unreachable
    from contracts.money import micros

    async def nudged() -> Nudged:
        return await nudge(await connect(said.by, ledger=ledger), list(runs))

    assert said.to is not None
    try:
        found = asyncio.run(nudged()) if runs else Nudged()
    except Unreachable as error:
        found = Nudged()
        out.note(f"warning: {safe(first_line(error))}")
    told, left = found.told, len(runs) - len(found.over)
    out.document(ceiling=name, before_micros=before, after_micros=micros(said.to), waiting=left, nudged=told)
    out.line(f"{name}: {usd(before)} -> {usd(micros(said.to))}" + (f"; {told} of {left} waiting runs woken" if runs else ""))
    if told < left:
        out.note("runs that were not reached retry by themselves within an hour")
    _wait_no_more(out, ledger, {run: runs[run] for run in found.over})


def _wait_no_more(out: Out, ledger: "Ledger", runs: "Mapping[str, str]") -> None:
    """Stop counting runs (by trace) that were ended in Temporal and could not say so: they must not block new runs."""
    from ledger.money.ceilings import close_left_over

    for run, trace in runs.items():
        ledger.tx_now(close_left_over, trace)
        out.note(f"{run} was ended in Temporal and no longer waits")


def _send(out: Out, ledger: "Ledger", view: Any, verb: Any, said: "Said", limit: float) -> Code:
    from commands.decide import decision
    from commands.money import ceilings
    from contracts.errors import Refused

    update_id, values = ceilings.sent_as(view, verb, said)

    async def sent() -> None:
        await decision.send(await connect(said.by, ledger=ledger), view, verb, update_id, values, limit)

    code, outcome, reason = Code.DONE, "confirmed", ""
    try:
        with out.waiting(f"{view.gate}: waiting for the workflow's answer"):
            asyncio.run(sent())
    except decision.Unconfirmed:
        code, outcome = Code.NO_WORKER, "unconfirmed"
        reason = f"no worker answered within {limit:g} s; it may still be applied, and if you send it again it counts once"
    except Refused as refused:
        code, outcome, reason = Code.REFUSED, "refused", str(refused)
        if isinstance(refused, decision.RunEnded):
            decision.record_refusal(ledger, view, verb, said.by, reason, update_id)
    out.document(run=view.workflow_id, gate=view.gate, verb=verb, by=said.by, outcome=outcome, reason=reason)
    if code == Code.DONE:
        out.line(f"confirmed: {verb} at {view.gate} of {view.workflow_id} by {safe(said.by)}")
    else:
        out.note(f"{outcome}: {safe(reason, 2000)}")
    return code


def stop(
    what: What,
    why: Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")],
    by: By = None,
    sign: Sign = False,
    timeout: Limit = 10.0,
    as_json: Json = False,
) -> None:
    """End the run that waits at a ceiling, or all runs that wait at a shared one. Their work and charges are kept."""
    from commands.money.ceilings import Said, find_run, shared_scope
    from contracts.errors import NotFound
    from ledger.views.gates import ceiling_gate, gates_at

    out, who = Out(as_json=as_json), named("--by", by)
    said = Said(who, reason(why), key=own_key(who, sign=sign))
    scope = shared_scope(what, datetime.now(UTC))
    with open_ledger(settings()) as ledger:
        if scope is not None:
            code = _stop_all(out, ledger, ledger.read_now(gates_at, scope), scope, said, timeout)
            raise typer.Exit(int(code))
        run = ledger.read_now(find_run, what)
        view = ledger.read_now(ceiling_gate, run.trace)
        if view is None:
            raise NotFound(f"{run.workflow_id} does not wait at a ceiling; it is {run.state}. `baton cancel` ends a run")
        raise typer.Exit(int(_send(out, ledger, view, "stop", said, timeout)))


def _stop_all(out: Out, ledger: "Ledger", views: "Sequence[Any]", scope: str, said: "Said", limit: float) -> Code:
    from commands.money.ceilings import stop_all
    from contracts.errors import NotFound

    if not views:
        raise NotFound(f"no run waits at {scope}, so none was stopped; `baton budget show` says which ceilings runs wait at")

    async def stopped() -> dict[str, str]:
        return await stop_all(await connect(said.by, ledger=ledger), views, said, limit)

    outcomes = asyncio.run(stopped())
    out.document(ceiling=scope, runs=outcomes)
    out.line(f"{scope}: {sum(one == 'confirmed' for one in outcomes.values())} of {len(outcomes)} waiting runs stopped")
    _wait_no_more(out, ledger, {view.workflow_id: view.trace for view in views if outcomes[view.workflow_id] == "over"})
    failed = {run: outcome for run, outcome in outcomes.items() if outcome not in ("confirmed", "over")}
    for run, outcome in failed.items():
        out.note(f"  {run}: {safe(outcome)}")
    return Code.REFUSED if failed else Code.DONE


def reconcile(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The call's key, as sent to the provider (X-Request-Key).")],
    cost: Annotated[str, typer.Option("--cost", metavar="USD", help="What the provider billed, in US dollars; 0 for nothing.")],
    why: Annotated[str, typer.Option("--message", "-m", help="Where the amount comes from.")],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Replace the full charge of a call that was lost with its worker by the provider's bill. `baton budget show` lists them.

    A call that was lost several times is charged once per attempt; each invocation corrects the oldest.
    """
    from commands.money.ceilings import Said, check_allowed
    from commands.money.reconciliation import reconciled

    out, found = Out(as_json=as_json), settings()
    said = Said(named("--by", by), reason(why))
    with open_ledger(found) as ledger:
        policy = policy_now(found, ledger)
        # A correction frees money of the month, so it takes the permission to raise that ceiling.
        check_allowed(policy, said, policy.defaults.owner, run=False)
        one = ledger.tx_now(reconciled, key, cost, said.by, why)
    out.document(key=one.key, before_micros=one.before, after_micros=one.after, more=one.more)
    out.line(f"{one.key[:12]}: {usd(one.before)} -> {usd(one.after)}, at {clock(datetime.now(UTC))}")
    if one.more:
        attempts = "1 more lost attempt of this call is" if one.more == 1 else f"{one.more} more lost attempts of this call are"
        out.note(f"{attempts} still charged in full; run the command again for the next")
