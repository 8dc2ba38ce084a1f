"""`baton pause`, `resume`, `cancel`: how an operator controls a run."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands.asking import found
from commands.context import CARE, By, Json, Why, connect, named, open_ledger, reason, run_ids, settings
from commands.decide.pausing import Everything, OfAgent, OfPipeline, OfProject, one_of, pause_wider, resume_wider
from commands.errors import Usage, first_line
from commands.output import Out, safe
from commands.unrecorded import Unrecorded, how
from contracts.printed import command

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

    from contracts.runs import RunState
    from ledger.db import Ledger
    from ledger.views.runs import RunView

CancelledRun = Annotated[
    str | None, typer.Argument(metavar="RUN", help="Run id as shown by `baton runs`, all of it.", autocompletion=run_ids)
]
Paused = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="Run id as shown by `baton runs`, or a unique prefix of it.", autocompletion=run_ids),
]
Limit = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for the outcome.")]
What = Literal["pause", "resume", "cancel"]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command(rich_help_panel=CARE)(pause)
    app.command(rich_help_panel=CARE)(resume)
    app.command(rich_help_panel=CARE)(cancel)


def pause(
    run: Paused = None,
    agent: OfAgent = None,
    pipeline: OfPipeline = None,
    project: OfProject = None,
    everything: Everything = False,
    by: By = None,
    why: Why = "",
    timeout: Limit = 10.0,
    as_json: Json = False,
) -> None:
    """Pause a run before its next step, or an agent, a pipeline, a project or everything, in all runs.

    Steps that have begun end; gates stay open and keep their deadlines. For more than a run it takes a reason. Runs that start
    later are held as well.
    """
    out, who, wider = Out(as_json=as_json), named("--by", by), one_of(run, agent, pipeline, project, everything=everything)
    if wider is not None:
        pause_wider(out, *wider, who, reason(why))
    elif run is not None:
        _control(out, run, Asked("pause", who, why), timeout)


def resume(
    run: Paused = None,
    agent: OfAgent = None,
    pipeline: OfPipeline = None,
    project: OfProject = None,
    everything: Everything = False,
    by: By = None,
    why: Why = "",
    timeout: Limit = 10.0,
    as_json: Json = False,
) -> None:
    """Resume what is paused: a run, or an agent, a pipeline, a project or everything. What it held goes on by itself.

    For more than a run it takes a reason. `baton status` says what is paused.
    """
    out, who, wider = Out(as_json=as_json), named("--by", by), one_of(run, agent, pipeline, project, everything=everything)
    if wider is not None:
        resume_wider(out, *wider, who, reason(why))
    elif run is not None:
        _control(out, run, Asked("resume", who, why), timeout)


def cancel(
    run: CancelledRun = None,
    by: By = None,
    why: Why = "",
    lost: Annotated[
        bool,
        typer.Option("--lost", help="Close the record of RUN, or of every such run, whose Temporal server lost its database."),
    ] = False,
    timeout: Limit = 20.0,
    as_json: Json = False,
) -> None:
    """Cancel a run: close its gates, remove its workspaces, keep its charges. Cannot be undone: it takes the whole id.

    With --lost the runs are those of a Temporal server that is gone for good, which nobody else can close.
    """
    if lost:
        from commands.decide.lost import close_lost

        close_lost(Out(as_json=as_json), run, named("--by", by), reason(why))
        return
    if run is None:
        raise Usage("name the run to cancel, by its whole id; `baton runs` lists them")
    _control(Out(as_json=as_json), run, Asked("cancel", named("--by", by), why), timeout)


@dataclass(frozen=True)
class Asked:
    """What somebody asks of a run, who, and why; `why` may be empty."""

    what: What
    by: str
    why: str

    def reached(self, state: str) -> bool:
        """True if a run in this state is as was asked."""
        return {"pause": state == "paused", "resume": state != "paused", "cancel": state == "cancelled"}[self.what]

    @property
    def reason(self) -> str:
        """What Temporal records with a cancellation, on one line."""
        return " ".join(f"by {self.by}: {self.why}".split()).removesuffix(":")


def _control(out: Out, name: str, asked: Asked, limit: float) -> None:
    from contracts.errors import Refused

    at_hand, what = settings(), asked.what
    with open_ledger(at_hand) as ledger:
        run = found(out, ledger, name, whole=what == "cancel")
        if isinstance(run, Unrecorded):
            _control_unrecorded(out, ledger, run, asked, limit, at_hand.task_queue)
            return
        if run.has_ended:
            raise Refused(
                f"{safe(run.workflow_id, 1000)} is {run.state} and has ended{run.how_it_ended}; there is nothing to {what}"
            )
        state = asyncio.run(_send(out, ledger, run, asked, limit, at_hand.task_queue))
    found_as, done = run.workflow_id, asked.reached(state)
    # Whoever reads the record later looks there for this name and reason, and only a change is in it.
    changed = not asked.reached(run.state)
    out.document(run=found_as, asked=what, by=asked.by, why=asked.why, state=state, confirmed=done, changed=changed)
    if done:
        before = "" if changed else ", as it was before: nothing was changed, and nothing is on record"
        out.line(f"{safe(found_as)} is {state}{before}")
        out.note(f"  next    {command(_NEXT[what], found_as)}")
        return
    out.line(f"{what} was sent to {safe(found_as)}, which is still {state}")
    out.note(f"  next    {command('show', found_as)}   (it takes effect when the current step ends)")


def _control_unrecorded(out: Out, ledger: "Ledger", run: Unrecorded, asked: "Asked", limit: float, queue: str) -> None:
    """A run that only Temporal has can be cancelled; what else can be asked of a run needs one that has begun."""
    from contracts.errors import Refused

    what = asked.what
    if not run.is_running or what != "cancel":
        raise Refused(f"{how(run)}; there is nothing to {what}. `{command('show', run.run)}` says what it waits for")
    state = asyncio.run(_cancel_unrecorded(out, ledger, run, asked, limit, queue))
    out.document(run=run.run, asked=what, by=asked.by, why=asked.why, state=state, confirmed=state != "starting")
    if state == "starting":
        out.line(f"cancel was sent to {safe(run.run)}, which has not ended yet")
    else:
        out.line(f"{safe(run.run)} is {state}")
    out.note(f"  next    {command('show', run.run)}")


async def _cancel_unrecorded(out: Out, ledger: "Ledger", run: Unrecorded, asked: "Asked", limit: float, queue: str) -> str:
    """Send it and wait up to `limit` seconds; returns `starting` or how it ended. Raises `NoWorker` if there is none."""
    from commands.errors import NoWorker
    from commands.unrecorded import find_unrecorded
    from commands.workers import nobody

    client = await connect(asked.by, ledger=ledger)
    handle = client.get_workflow_handle(run.run, first_execution_run_id=run.trace)
    ends = time.monotonic() + limit
    with out.waiting(f"{run.run}: waiting for the outcome of cancel"):
        await _sent(handle, asked, limit)
        while (now := await find_unrecorded(client, run.run)) is not None and now.is_running and time.monotonic() < ends:
            if problem := await nobody(client, ledger, queue):
                raise NoWorker(
                    f"cancel was sent; {run.run} ends as cancelled as soon as somebody carries it out, but {problem}"
                )
            await asyncio.sleep(0.1)
    return now.state if now is not None else "gone"


_NEXT: dict[What, str] = {"pause": "resume", "resume": "feed", "cancel": "show"}


async def _send(out: Out, ledger: "Ledger", run: "RunView", asked: Asked, limit: float, queue: str) -> str:
    """Send the request, wait up to `limit` seconds, return the run's state. Raises `NoWorker` if no worker can carry it out."""
    from commands.errors import NoWorker
    from commands.workers import nobody

    client, what = await connect(asked.by, ledger=ledger), asked.what
    # Pinned to this run and its continuations: the workflow id may have been started again since.
    handle = client.get_workflow_handle(run.workflow_id, first_execution_run_id=run.trace)
    with out.waiting(f"{run.workflow_id}: waiting for the outcome of {what}"):
        sent = await _sent(handle, asked, limit)
        state = await state_within(ledger, run.trace, limit, asked.reached) if sent else run.state
    # Asked only afterwards: with a worker running, these requests would delay every command for nothing.
    if not asked.reached(state) and (problem := await nobody(client, ledger, queue)):
        raise NoWorker(f"{what} was sent, but nobody carries it out: {run.workflow_id} is {state}, and {problem}")
    return state


async def _sent(handle: "WorkflowHandle[Any, Any]", asked: Asked, limit: float) -> bool:
    """True if the run accepted it, False if no answer came in time. Raises `Refused` with the reason."""
    from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
    from temporalio.service import RPCError, RPCStatusCode

    from contracts.errors import Refused

    what, said = asked.what, {"by": asked.by, "note": asked.why, "channel": "cli"}
    try:
        if what == "cancel":
            await handle.cancel(reason=asked.reason)  # Temporal only takes the request; the ledger says when the run has ended
        else:
            async with asyncio.timeout(limit):
                await handle.execute_update(what, said, rpc_timeout=timedelta(seconds=limit))
    except WorkflowUpdateFailedError as error:
        raise Refused(str(getattr(error.cause, "message", None) or error.cause)) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        return False
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            lost = f". If its server's database is gone for good: `{command('cancel', handle.id, options='--lost -m why')}`"
            raise Refused(
                f"Temporal has no running workflow of that id ({first_line(error)}); there is nothing to {what}"
                + (lost if what == "cancel" else "")
            ) from None
        raise
    return True


async def state_within(ledger: "Ledger", trace: str, limit: float, reached: Callable[[str], bool]) -> "RunState":
    """The run's state as soon as it is one of those wanted, or what it is after `limit` seconds."""
    from ledger.views.runs import find_run

    ends = time.monotonic() + limit
    while True:
        state = ledger.read_now(find_run, trace).state
        if reached(state) or time.monotonic() > ends:
            return state
        await asyncio.sleep(0.1)
