"""What Temporal says of runs that the ledger has as open, and the record of those that it ended without us.

A workflow that is terminated, timed out or deleted runs no more code of ours: nobody else can close its row.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
)
from temporalio.client import Client, WorkflowHandle, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode

from activities.running import lines
from contracts.gates import GateView
from contracts.pipelines import PIPELINES
from contracts.runs import FINAL, RunRef
from ledger import gone
from ledger.db import Ledger
from ledger.gone import Ending, Known

T = TypeVar("T")
R = TypeVar("R")

TOGETHER = 16
"""Requests to Temporal at a time."""

WORDS = 1000
"""Characters of a reason that Temporal gives."""

_DELETED = Ending("cancelled", "deleted in Temporal", "somebody deleted the workflow there")

_OPEN = {WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING, WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED}


@dataclass(frozen=True)
class InTemporal:
    """How Temporal has a run: `running` as this run of its chain, or ended. With neither, it does not have it or cannot tell.

    `described` is what it says of the newest run of that workflow id.
    """

    running: str = ""
    ending: Ending | None = None
    described: DescribeWorkflowExecutionResponse | None = None

    @property
    def is_unknown(self) -> bool:
        """True if this Temporal namespace does not have the run, and cannot say that it ever had it."""
        return not self.running and self.ending is None


@dataclass(frozen=True)
class Compared:
    """Runs that were compared with Temporal: how many changed, and how it has each, by trace."""

    changed: int = 0
    by_trace: Mapping[str, InTemporal] = field(default_factory=dict)


async def namespace_id(client: Client) -> str:
    """The id of the client's namespace: another server's namespace of the same name has another one."""
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return str(described.namespace_info.id)


async def close_gone(client: Client, ledger: Ledger, runs: Sequence[Known]) -> Compared:
    """Ask Temporal about these runs; close those that it ended, open those again that it has reset.

    Of those that go on, gates of children that it ended are closed: no code of ours ran for these either.

    Raises `RPCError` if Temporal does not answer. Safe to call twice, and in several processes at once.
    """
    if not runs:
        return Compared()
    here = await namespace_id(client)
    found = await together(runs, lambda one: in_temporal(client, one, here))
    new = [one.trace for one, how in zip(runs, found, strict=True) if how.running and not one.namespace]
    if new:
        await ledger.tx(gone.seen_in, new, here)
    changed = 0
    for one, how in zip(runs, found, strict=True):
        # One transaction each: many together would lock the rows of many runs in an order that calls do not follow.
        if how.ending is not None and not one.has_ended:
            changed += await ledger.tx(gone.close, one, how.ending)
        elif how.running and one.has_ended:
            ref = RunRef(trace=one.trace, workflow_id=one.workflow_id, project=one.project, run_id=how.running)
            line = (lines.run_found if how.running in one.run_ids else lines.run_reset)(ref, one.state)
            changed += await ledger.tx(gone.reopen, ref, line)
    going = [one.trace for one, how in zip(runs, found, strict=True) if how.running]
    changed += await _close_gates(client, ledger, await ledger.read(gone.gates_of_children, here, going))
    return Compared(changed, {one.trace: how for one, how in zip(runs, found, strict=True)})


async def bring_up_to_date(client: Client, ledger: Ledger) -> tuple[int, list[str]]:
    """As `close_gone`, for every run whose record differs from what Temporal lists.

    Returns how many changed, and the workflow ids of open runs that this namespace does not have.
    """
    running = await _running(client)
    asked = await _suspects(ledger, running)
    found = await close_gone(client, ledger, asked)
    absent = [one.workflow_id for one in asked if not one.has_ended and found.by_trace[one.trace].is_unknown]
    names = {name for name, _ in running}
    views = await ledger.read(gone.gates_of_children, await namespace_id(client))
    closed = await _close_gates(client, ledger, [view for view in views if view.workflow_id not in names])
    return found.changed + closed, absent


async def _close_gates(client: Client, ledger: Ledger, views: Sequence[GateView]) -> int:
    """Close those of these gates whose workflow Temporal does not run any more. Returns how many that were."""
    endings = await together(views, lambda view: _child_ending(client, view.workflow_id))
    pairs = [(view, end) for view, end in zip(views, endings, strict=True) if end is not None]
    return sum([await ledger.tx(gone.close_gate, view, end) for view, end in pairs])


async def _child_ending(client: Client, workflow_id: str) -> Ending | None:
    """How a child of a run that goes on has ended; None while it runs. Its id is its own: no other run takes it."""
    there = await describe(client, workflow_id)
    if there is None:
        return _DELETED
    newest = there.workflow_execution_info
    if newest.status in _OPEN:
        return None
    return await _ending(client.get_workflow_handle(workflow_id, run_id=newest.execution.run_id))


async def close_lost(client: Client, ledger: Ledger, runs: Sequence[Known], by: str, why: str) -> list[str]:
    """Close those of these open runs that this Temporal namespace does not have and cannot say it ever had, for a person.

    For those of a server whose database is gone for good: nothing else can tell that they will never go on. One that turns out
    to run after all is opened again, as one that was reset. Returns their workflow ids. Raises `RPCError`. Safe to call twice.
    """
    compared = await close_gone(client, ledger, runs)
    lost = [one for one in runs if not one.has_ended and compared.by_trace[one.trace].is_unknown]
    end = Ending("cancelled", "lost with its Temporal server", f"by {by}: {why}"[:WORDS], actor=by, withdraws=True)
    return [one.workflow_id for one in lost if await ledger.tx(gone.close, one, end)]


async def _running(client: Client) -> set[tuple[str, str]]:
    """Ids of the runs, and of their children that ask a person, that Temporal lists as running: some moments old."""
    kinds = ", ".join(f"'{one.workflow}'" for one in PIPELINES)
    query = f"ExecutionStatus = 'Running' AND (WorkflowType IN ({kinds}) OR NeedsHuman = true)"
    return {(one.id, one.run_id) async for one in client.list_workflows(query, page_size=1000)}


async def _suspects(ledger: Ledger, running: set[tuple[str, str]]) -> list[Known]:
    """Runs whose record differs from Temporal's list of running workflows. It is some moments old, so each has to be asked."""
    there = await ledger.read(gone.open_runs)
    names = {name for name, _ in running}
    reset = await ledger.read(gone.ended_named, names) if names else []
    return [*(one for one in there if not _as_known(one, running)), *reset]


def _as_known(one: Known, running: set[tuple[str, str]]) -> bool:
    return bool(one.namespace) and any((one.workflow_id, run_id) in running for run_id in (one.trace, *one.run_ids))


async def in_temporal(client: Client, run: Known, here: str) -> InTemporal:
    """How Temporal has this run. `here` is the id of the namespace that is asked."""
    if run.namespace not in ("", here):
        return InTemporal()  # on another server a run of the same id is another run
    there = await describe(client, run.workflow_id)
    if there is None:
        # Only the namespace that had it can say that it is gone.
        return InTemporal(ending=_DELETED if run.namespace else None)
    newest = there.workflow_execution_info
    run_id = newest.execution.run_id
    if newest.first_run_id == run.trace or run_id in (run.trace, *run.run_ids):
        if goes_on(there):
            return InTemporal(running=run_id, described=there)
        return InTemporal(ending=await _ending(client.get_workflow_handle(run.workflow_id, run_id=run_id)), described=there)
    if not newest.first_run_id:
        return InTemporal()  # an older server, which does not say to which chain the run belongs
    return await _replaced(client, run, run_id)


async def _replaced(client: Client, run: Known, by: str) -> InTemporal:
    """Another run has taken the workflow id, which only a run that has ended leaves."""
    last = run.run_ids[-1] if run.run_ids else run.trace
    there = await describe(client, run.workflow_id, last)
    if there is None and not run.namespace:
        return InTemporal()
    ended = there is not None and not goes_on(there)
    ending = await _ending(client.get_workflow_handle(run.workflow_id, run_id=last)) if ended else None
    why = f"run {by} was started under the same workflow id"
    return InTemporal(ending=ending or Ending("cancelled", "ended in Temporal", why))


async def describe(client: Client, workflow_id: str, run_id: str = "") -> DescribeWorkflowExecutionResponse | None:
    """What Temporal says of a workflow, or of the newest run of it; None if it has none of that id.

    Also of one that is paused there, which the SDK's own `describe` raises for: it does not know that status.
    """
    which = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=which)
    try:
        return await client.workflow_service.describe_workflow_execution(request, retry=True)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


def goes_on(described: DescribeWorkflowExecutionResponse) -> bool:
    """True if the workflow has not ended, whether it is paused or not."""
    return described.workflow_execution_info.status in _OPEN


async def _ending(handle: WorkflowHandle[Any, Any]) -> Ending | None:
    """How a closed run ended, from the last event of its history; None if it goes on as another run, or was just deleted."""
    try:
        events = [
            one async for one in handle.fetch_history_events(event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT)
        ]
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    last = events[-1]
    match last.WhichOneof("attributes"):
        case "workflow_execution_terminated_event_attributes":
            told = last.workflow_execution_terminated_event_attributes
            return Ending("cancelled", "terminated in Temporal", _by(told.identity, told.reason))
        case "workflow_execution_timed_out_event_attributes":
            why = "the time limit that the workflow was started with was over; a reset keeps it, `baton retry` starts without"
            return Ending("failed", "timed out in Temporal", why)
        case "workflow_execution_canceled_event_attributes":
            return Ending("cancelled", "cancelled in Temporal", withdraws=True)
        case "workflow_execution_failed_event_attributes":
            failure = last.workflow_execution_failed_event_attributes.failure
            why = (failure.message or "no reason is given")[:WORDS]
            return Ending("failed", "failed in Temporal", why, withdraws=True)
        case "workflow_execution_completed_event_attributes":
            payloads = last.workflow_execution_completed_event_attributes.result.payloads
            return _completed(payloads[0].data if payloads else b"")
    return None


def _completed(data: bytes) -> Ending:
    """A run that ended by itself and whose end this ledger does not have: it was restored, or the commit was lost."""
    why = "this ledger did not have its end: was it restored?"
    try:
        report = json.loads(data)
    except ValueError:
        report = None
    if isinstance(report, dict) and report.get("state") in FINAL:
        return Ending(report["state"], "completed in Temporal", why, report, withdraws=True)
    return Ending("failed", "completed in Temporal", "it left no report that this release can read", withdraws=True)


def _by(identity: str, reason: str) -> str:
    return f"by {identity or 'somebody'}: {reason or 'no reason was given'}"[:WORDS]


async def together(runs: Iterable[T], ask: Callable[[T], Awaitable[R]]) -> list[R]:
    """All answers in their order, a bounded number of requests at a time. Raises the first error."""
    turns = asyncio.Semaphore(TOGETHER)

    async def one(run: T) -> R:
        async with turns:
            return await ask(run)

    return list(await asyncio.gather(*map(one, runs)))
