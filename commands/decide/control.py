"""`baton pause`, `resume`, `cancel`: how an operator controls a run."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands.asking import found
from commands.context import CARE, Json, Run, connect, open_ledger, settings
from commands.errors import first_line
from commands.output import Out
from commands.unrecorded import Unrecorded, how

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

    from contracts.runs import RunState
    from ledger.db import Ledger
    from ledger.views.runs import RunView

Limit = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for the outcome.")]
What = Literal["pause", "resume", "cancel"]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command(rich_help_panel=CARE)(pause)
    app.command(rich_help_panel=CARE)(resume)
    app.command(rich_help_panel=CARE)(cancel)


def pause(run: Run, timeout: Limit = 10.0, as_json: Json = False) -> None:
    """Pause a run before its next step. The current step finishes; gates stay open and keep their deadlines."""
    _control(Out(as_json=as_json), run, "pause", timeout, lambda state: state == "paused")


def resume(run: Run, timeout: Limit = 10.0, as_json: Json = False) -> None:
    """Resume a paused run."""
    _control(Out(as_json=as_json), run, "resume", timeout, lambda state: state != "paused")


def cancel(run: Run, timeout: Limit = 20.0, as_json: Json = False) -> None:
    """Cancel a run: close its gates, remove its workspaces, keep its charges. Cannot be undone: it takes the whole id."""
    _control(Out(as_json=as_json), run, "cancel", timeout, lambda state: state == "cancelled")


def _control(out: Out, name: str, what: What, limit: float, reached: Callable[[str], bool]) -> None:
    from contracts.errors import Refused

    at_hand = settings()
    with open_ledger(at_hand) as ledger:
        # A cancellation cannot be undone, so it takes the whole id; for the others a unique prefix will do.
        run = found(out, ledger, name, whole=what == "cancel")
        if isinstance(run, Unrecorded):
            _control_unrecorded(out, ledger, run, what, limit, at_hand.task_queue)
            return
        if run.has_ended:
            raise Refused(f"{run.workflow_id} is {run.state} and has ended{run.how_it_ended}; there is nothing to {what}")
        state = asyncio.run(_send(out, ledger, run, what, limit, reached, at_hand.task_queue))
    named, done = run.workflow_id, reached(state)
    out.document(run=named, asked=what, state=state, confirmed=done)
    if done:
        out.line(f"{named} is {state}")
        out.note(f"  next    baton {'resume' if what == 'pause' else 'show' if what == 'cancel' else 'feed'} {named}")
        return
    out.line(f"{what} was sent to {named}, which is still {state}")
    out.note(f"  next    baton show {named}   (it takes effect when the current step ends)")


def _control_unrecorded(out: Out, ledger: "Ledger", run: Unrecorded, what: What, limit: float, queue: str) -> None:
    """A run that only Temporal has can be cancelled; what else can be asked of a run needs one that has begun."""
    from contracts.errors import Refused

    if not run.is_running or what != "cancel":
        raise Refused(f"{how(run)}; there is nothing to {what}. `baton show {run.run}` says what it waits for")
    state = asyncio.run(_cancel_unrecorded(out, ledger, run, limit, queue))
    out.document(run=run.run, asked=what, state=state, confirmed=state != "starting")
    if state == "starting":
        out.line(f"cancel was sent to {run.run}, which has not ended yet")
    else:
        out.line(f"{run.run} is {state}")
    out.note(f"  next    baton show {run.run}")


async def _cancel_unrecorded(out: Out, ledger: "Ledger", run: Unrecorded, limit: float, queue: str) -> str:
    """Send it and wait up to `limit` seconds; returns `starting` or how it ended. Raises `NoWorker` if there is none."""
    from commands.errors import NoWorker
    from commands.unrecorded import find_unrecorded
    from commands.workers import nobody

    client = await connect(ledger=ledger)
    handle = client.get_workflow_handle(run.run, first_execution_run_id=run.trace)
    ends = time.monotonic() + limit
    with out.waiting(f"{run.run}: waiting for the outcome of cancel"):
        await _sent(handle, "cancel", limit)
        while (now := await find_unrecorded(client, run.run)) is not None and now.is_running and time.monotonic() < ends:
            if problem := await nobody(client, ledger, queue):
                raise NoWorker(
                    f"cancel was sent; {run.run} ends as cancelled as soon as somebody carries it out, but {problem}"
                )
            await asyncio.sleep(0.1)
    return now.state if now is not None else "gone"


async def _send(
    out: Out, ledger: "Ledger", run: "RunView", what: What, limit: float, reached: Callable[[str], bool], queue: str
) -> str:
    """Send the request, wait up to `limit` seconds, return the run's state. Raises `NoWorker` if no worker can carry it out."""
    from commands.errors import NoWorker
    from commands.workers import nobody

    client = await connect(ledger=ledger)
    # Pinned to this run and its continuations: the workflow id may have been started again since.
    handle = client.get_workflow_handle(run.workflow_id, first_execution_run_id=run.trace)
    with out.waiting(f"{run.workflow_id}: waiting for the outcome of {what}"):
        sent = await _sent(handle, what, limit)
        state = await _state_within(ledger, run.trace, limit, reached) if sent else run.state
    # Asked only afterwards: with a worker running, these requests would delay every command for nothing.
    if not reached(state) and (problem := await nobody(client, ledger, queue)):
        raise NoWorker(f"{what} was sent, but nobody carries it out: {run.workflow_id} is {state}, and {problem}")
    return state


async def _sent(handle: "WorkflowHandle[Any, Any]", what: What, limit: float) -> bool:
    """True if the run accepted it, False if no answer came in time. Raises `Refused` with the reason."""
    from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
    from temporalio.service import RPCError, RPCStatusCode

    from contracts.errors import Refused

    try:
        if what == "cancel":
            await handle.cancel()  # Temporal only takes the request; the ledger says when the run has ended
        else:
            async with asyncio.timeout(limit):
                await handle.execute_update(what, {}, rpc_timeout=timedelta(seconds=limit))
    except WorkflowUpdateFailedError as error:
        raise Refused(str(getattr(error.cause, "message", None) or error.cause)) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        return False
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise Refused(
                f"Temporal has no running workflow of that id ({first_line(error)}); there is nothing to {what}"
            ) from None
        raise
    return True


async def _state_within(ledger: "Ledger", trace: str, limit: float, reached: Callable[[str], bool]) -> "RunState":
    from ledger.views.runs import find_run

    ends = time.monotonic() + limit
    while True:
        state = ledger.read_now(find_run, trace).state
        if reached(state) or time.monotonic() > ends:
            return state
        await asyncio.sleep(0.1)
