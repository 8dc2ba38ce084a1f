"""Runs that Temporal has and the ledger not yet: just started, without a worker, or failing before their first record."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.errors import first_line
from commands.output import clock, safe

if TYPE_CHECKING:
    from temporalio.api.workflow.v1 import WorkflowExecutionInfo
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
    from temporalio.client import Client

    from ledger.db import Ledger

MOST = 50
"""Most of them that a list shows."""


@dataclass(frozen=True)
class Unrecorded:
    """A run as Temporal knows it. `state` is `starting` while it runs, else how Temporal closed it; `why` says more."""

    run: str
    trace: str
    pipeline: str
    state: str
    asked: str
    started_at: datetime
    ended_at: datetime | None
    why: str = ""
    begins_at: datetime | None = None
    """When Temporal gives it its first task, where it was started to begin later; None once that is over."""
    described: "DescribeWorkflowExecutionResponse | None" = None

    @property
    def is_running(self) -> bool:
        """True while Temporal runs it."""
        return self.ended_at is None

    @property
    def gate(self) -> str:
        """The gate at which Temporal shows it: one that has come so far was on record once. "" for none."""
        there = self.described.workflow_execution_info.search_attributes.indexed_fields if self.described else {}
        said = json.loads(there["Gate"].data) if "Gate" in there else ""
        return said.removesuffix(":waiting") if isinstance(said, str) and said.endswith(":waiting") else ""

    def fields(self) -> dict[str, Any]:
        """As JSON fields; `recorded` tells it from a run that is in the ledger."""
        names = ("run", "trace", "pipeline", "state", "asked", "started_at", "ended_at", "why", "begins_at")
        return {**{name: getattr(self, name) for name in names}, "recorded": False}


async def find_unrecorded(client: "Client", name: str) -> Unrecorded | None:
    """The run of ours with exactly this workflow id; None if Temporal has none. Raises `RPCError`."""
    from temporalio.client import WorkflowExecutionStatus

    from activities.runs.gone import describe
    from contracts.pipelines import BY_WORKFLOW

    found = await describe(client, name)
    if found is None or found.workflow_execution_info.type.name not in BY_WORKFLOW:
        return None
    info, summary = found.workflow_execution_info, found.execution_config.user_metadata.summary
    handle = client.get_workflow_handle(name, run_id=info.execution.run_id)
    ended = info.close_time.ToDatetime(UTC) if info.HasField("close_time") else None
    return Unrecorded(
        run=name,
        trace=info.first_run_id or info.execution.run_id,
        pipeline=info.type.name,
        state=WorkflowExecutionStatus(info.status).name.lower() if ended else "starting",
        asked=(await client.data_converter.decode([summary], [str]))[0] if summary.metadata else "",
        started_at=info.start_time.ToDatetime(UTC),
        ended_at=ended,
        why=await why_of(handle) if ended else "",
        begins_at=_later(info) if not ended else None,
        described=found,
    )


def _later(info: "WorkflowExecutionInfo") -> datetime | None:
    """The instant to which its first task was put off, by a delay or a cron schedule; None if that has come."""
    begins = info.execution_time.ToDatetime(UTC)
    return begins if begins > max(datetime.now(UTC), info.start_time.ToDatetime(UTC)) else None


async def why_of(handle: Any) -> str:
    """How it ended, in the words of the failure; "" where it has none."""
    from temporalio.client import WorkflowFailureError

    try:
        await handle.result(follow_runs=False)
    except WorkflowFailureError as error:
        return first_line(getattr(error.cause, "message", None) or error.cause)
    return ""


async def running_unrecorded(client: "Client", ledger: "Ledger", task_queue: str) -> AsyncIterator[Unrecorded]:
    """The runs on this task queue that Temporal runs and the ledger does not have, newest first. Raises `RPCError`."""
    from contracts.pipelines import PIPELINES
    from ledger.views.runs import known_among

    kinds = ", ".join(f"'{one.workflow}'" for one in PIPELINES)
    query = f"ExecutionStatus = 'Running' AND {on_queue(task_queue)} AND WorkflowType IN ({kinds})"
    there = [one async for one in client.list_workflows(query, limit=1000)]
    known = await ledger.read(known_among, {one.id for one in there})
    shown = 0
    for one in there:
        if one.id in known or shown == MOST:
            continue
        # Asked itself: the list is some moments old.
        if (found := await find_unrecorded(client, one.id)) is not None and found.is_running:
            shown += 1
            yield found


def on_queue(task_queue: str) -> str:
    """The condition of Temporal's list filter for this task queue."""
    return "TaskQueue = '{}'".format(task_queue.replace("'", "\\'"))


def how(found: Unrecorded) -> str:
    """One line on where it stands."""
    name = safe(found.run, 1000)
    if found.begins_at is not None:
        return f"{name} is not on record yet: it was started to begin later, at {clock(found.begins_at)}"
    if found.is_running and found.gate:
        return (
            f"{name} is not in this ledger, and Temporal has it at {safe(found.gate)}: an older backup was restored. Restore "
            "the newest one, or cancel the run and start it again"
        )
    if found.is_running:
        return f"{name} is not on record yet: Temporal has started it, and no step of it is recorded"
    why = f": {safe(found.why)}" if found.why else ""
    return f"{name} is not on record: it ended in Temporal as {found.state}{why}"
