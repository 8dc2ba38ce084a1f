"""`baton retry`: have a run that has ended done again, as a new run or from one of its stages."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.asking import found
from commands.context import START, By, Json, WholeRun, Why, connect, named, open_ledger, settings, watching
from commands.errors import Code, NoWorker, Usage, first_line
from commands.output import Out, clock, safe
from commands.unrecorded import Unrecorded, how
from contracts.printed import command

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from commands.start.start import Started
    from config import Settings
    from contracts.inputs import PipelineInput
    from contracts.pipelines import PipelineSpec
    from ledger.db import Ledger
    from ledger.views.runs import RunView

NOT_AGAIN = ("carried", "request_key", "by", "retry_of")
"""Fields of an input that belong to the one run that was started with them."""

Stage = Annotated[
    str | None,
    typer.Option("--from", metavar="STAGE", help="Go back to the latest beginning of this stage of the same run."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until the run ends.")]
WaitForGate = Annotated[bool, typer.Option("--wait-for-gate", help="Wait until the run ends or needs a person (exit code 4).")]
Limit = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="With --from: seconds to wait for a worker.")]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=START)(retry)


def retry(
    run: WholeRun,
    stage: Stage = None,
    by: By = None,
    why: Why = "",
    wait: Wait = False,
    wait_for_gate: WaitForGate = False,
    timeout: Limit = 20.0,
    as_json: Json = False,
) -> None:
    """Have a run that has ended done again: a new run from the same input, or with --from the same run from a stage on.

    A new run asks every model again. From a stage on, model replies and approvals of before are kept and nothing is paid twice:
    for a step that failed, or to decide otherwise at a gate. Decisions of after that point do not count any more.
    """
    from contracts.errors import Refused

    out, at_hand, who = Out(as_json=as_json), settings(), named("--by", by)
    with open_ledger(at_hand) as ledger:
        earlier = found(out, ledger, run, whole=True)
        if isinstance(earlier, Unrecorded):
            raise Refused(f"{how(earlier)}; there is nothing on record to retry it from")
        if not earlier.has_ended:
            end = command("cancel", earlier.workflow_id)
            raise Refused(f"{safe(run)} has not ended: it is {earlier.state}. Wait for its end, or end it with `{end}`")
        again = Again(out, at_hand, ledger, earlier, who, why, wait=wait or wait_for_gate, at_gate=wait_for_gate)
        code = asyncio.run(again.anew() if stage is None else again.back_to(stage, timeout))
    raise typer.Exit(int(code))


@dataclass(frozen=True)
class Again:
    """One run that is done again, by whom and why. `wait`: it is followed to its end, or `at_gate` until it needs a person."""

    out: Out
    found: "Settings"
    ledger: "Ledger"
    run: "RunView"
    by: str
    why: str
    wait: bool
    at_gate: bool

    async def anew(self) -> Code:
        """Start a new run from the same input."""
        from commands.start.commands import tell_start

        spec, asked = same_input(self.run.pipeline, self.run.asked, by=self.by, retry_of=self.run.trace)
        client = await connect(self.by, ledger=self.ledger)
        started = await started_again(client, self.ledger, spec, asked, self.found.task_queue)
        record_retry(self.ledger, self.run, started, self.by, self.why)
        self.out.note(f"{started.run} retries {safe(self.run.workflow_id)}")
        flags = {"wait": self.wait, "stop_at_gate": self.at_gate}
        with watching(started.run):
            return await tell_start(self.out, self.found, self.ledger, client, spec, asked, started, **flags)

    async def back_to(self, stage: str, limit: float) -> Code:
        """Reset the run to the latest beginning of a stage."""
        from contracts.errors import Refused

        client, run = await connect(self.by, ledger=self.ledger), self.run
        if run.trimmed_at is not None:
            raise Refused(
                f"the conversations of {safe(run.workflow_id)} were removed at {clock(run.trimmed_at)}, and they are needed; "
                f"`{command('retry', run.workflow_id)}` starts it anew"
            )
        handle = await _closed(client, run)
        event = _beginning(run, stage, await _stages(handle, run, limit))
        reason = " ".join(f"retried from {stage} by {self.by}: {self.why}".split()).removesuffix(":")
        run_id = await _reset(client, handle, event, reason)
        self._record(f"retried from {stage}; the run had ended as {run.state}", run_id, run.workflow_id)
        with watching(run.workflow_id):
            code, more = await self._taken_up(client, stage, limit)
        said = {"run": run.workflow_id, "trace": run.trace, "from": stage, "run_id": run_id, "by": self.by, "why": self.why}
        self.out.document(**(said | more))
        self.out.note(f"  next    {command('feed', run.workflow_id, options='--follow')}")
        return code

    async def _taken_up(self, client: "Client", stage: str, limit: float) -> tuple[Code, dict[str, Any]]:
        from commands.decide.control import state_within
        from commands.look.watch import Follower
        from contracts.runs import FINAL

        name = self.run.workflow_id
        state = await state_within(self.ledger, self.run.trace, limit, lambda now: now not in FINAL)
        if state in FINAL:
            raise NoWorker(f"{safe(name)} was reset to {stage}, but no worker has taken it up within {limit:g} s: `baton up`")
        (self.out.note if self.wait else self.out.line)(f"{safe(name)} goes on from {stage}")
        if not self.wait:
            return Code.DONE, {"state": state}
        follower = Follower(self.out, self.ledger, name, self.run.trace, client.get_workflow_handle(name))
        return await follower.until_end(stop_at_gate=self.at_gate)

    def _record(self, did: str, again: str, name: str) -> None:
        from contracts.runs import RunRef
        from ledger import retries

        ref = RunRef(trace=self.run.trace, workflow_id=self.run.workflow_id, project=self.run.project)
        self.ledger.tx_now(retries.record, ref, did, self.by, self.why, again=again, name=name)


async def started_again(
    client: "Client", ledger: "Ledger", spec: "PipelineSpec", asked: "PipelineInput", queue: str
) -> "Started":
    """Start a run of this input. Raises `Misconfigured` if only workers with another ledger would take it."""
    from commands.start import start
    from commands.start.commands import check_queue

    await check_queue(client, ledger, queue)
    return await start.start(client, ledger, spec, asked, queue)


def record_retry(ledger: "Ledger", earlier: "RunView", started: "Started", by: str, why: str, channel: str = "cli") -> None:
    """Tell the feed of a run that it was done again as another one. Safe to call twice."""
    from contracts.runs import RunRef
    from ledger import retries

    ref = RunRef(trace=earlier.trace, workflow_id=earlier.workflow_id, project=earlier.project)
    about = {"again": started.run_id, "name": started.run, "channel": channel}
    ledger.tx_now(retries.record, ref, f"retried this run as {started.run}", by, why, **about)


def same_input(pipeline: str, given: "Mapping[str, Any]", **about: str) -> "tuple[PipelineSpec, PipelineInput]":
    """What a run of this pipeline was started with, for another run of it, which has the fields `about` instead.

    Raises `Refused` if this release cannot start it.
    """
    from contracts.errors import ContractViolation, Refused
    from contracts.pipelines import BY_WORKFLOW

    spec = BY_WORKFLOW.get(pipeline)
    if spec is None:
        raise Refused(f"this release has no pipeline {pipeline!r}; retry with the release that has")
    kept = {name: value for name, value in given.items() if name not in NOT_AGAIN}
    try:
        return spec, spec.input.read_typed_by_people(kept | about)
    except ContractViolation as error:
        start = command(spec.command, options="…")
        raise Refused(f"its input is no longer accepted: {error}. Start it anew with `{start}`") from None


async def _closed(client: "Client", run: "RunView") -> "WorkflowHandle[Any, Any]":
    """The latest run of the chain, which has ended. Raises `Refused` or `NotFound`."""
    from activities.runs.gone import describe, goes_on
    from contracts.errors import NotFound, Refused

    again = f"`{command('retry', run.workflow_id)}` starts it anew"
    there = await describe(client, run.workflow_id)
    if there is None:
        raise NotFound(f"Temporal no longer has the history of {safe(run.workflow_id)}; {again}")
    newest = there.workflow_execution_info
    if newest.first_run_id not in ("", run.trace):
        raise Refused(f"the id {safe(run.workflow_id)} was used for another run since; {again}")
    if goes_on(there):
        raise Refused(f"{safe(run.workflow_id)} still runs in Temporal; `{command('show', run.workflow_id)}` shows it")
    return client.get_workflow_handle(run.workflow_id, run_id=newest.execution.run_id)


async def _stages(handle: "WorkflowHandle[Any, Any]", run: "RunView", limit: float) -> dict[str, int]:
    """The stages that the run can go back to, and the number of the event at which each began. Raises `NoWorker`."""
    from temporalio.client import WorkflowQueryFailedError
    from temporalio.service import RPCError, RPCStatusCode

    from contracts.errors import Refused

    try:
        stages: dict[str, int] = await handle.query("stages", rpc_timeout=timedelta(seconds=limit))
    except WorkflowQueryFailedError as error:
        again = command("retry", run.workflow_id)
        raise Refused(f"its stages cannot be told ({first_line(error)}); `{again}` starts it anew") from None
    except RPCError as error:
        if error.status in {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.FAILED_PRECONDITION}:
            raise NoWorker("no worker answered, and only one can say where a stage began: start one with `baton up`") from None
        raise
    return stages


def _beginning(run: "RunView", stage: str, stages: dict[str, int]) -> int:
    if stage not in stages:
        there = ", ".join(sorted(stages, key=lambda name: stages[name])) or "none"
        raise Usage(f"--from {safe(stage, 80)!r}: {safe(run.workflow_id)} has no such stage to go back to; there are: {there}")
    return stages[stage]


async def _reset(client: "Client", handle: "WorkflowHandle[Any, Any]", event: int, reason: str) -> str:
    """Reset to before the workflow task that begins with this event. Returns the new run's id in Temporal."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.enums.v1 import ResetReapplyExcludeType
    from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

    # What was sent after that point would decide the same again, before anybody has seen the new attempt.
    left_out = (
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
        ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
    )
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.run_id or ""),
        reason=reason,
        workflow_task_finish_event_id=event + 1,
        request_id=secrets.token_hex(16),
        reset_reapply_exclude_types=left_out,
    )
    return (await client.workflow_service.reset_workflow_execution(request)).run_id
