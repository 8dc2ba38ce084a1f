"""When Temporal received a decision that a run saw only after its gate's deadline, because workers were away or busy.

A workflow is told when its task began, not when a message came. Temporal's history has the instant of each signal. It has none
of an update: until a worker takes it, it is only in the server's memory. But where nothing else can have woken the run, its
workflow task was scheduled when the update came, and that instant is in the history.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from temporalio import activity
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from contracts.errors import ContractViolation
from contracts.gate_requests import FindReceived, Received
from contracts.gates import Claimed, Decision
from ledger import resets
from ledger.db import Ledger

SAME = timedelta(milliseconds=1)
"""The workflow's clock is the start of its task as a float: two of the same instant may differ by a microsecond."""

AT_ONCE = timedelta(seconds=1)
"""A task that is scheduled so soon after the one before may have been asked for by that one, and not by an update."""


class Receipts:
    """The activity `find_received`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def find_received(self, request: FindReceived) -> Received:
        """When Temporal received the claimed decision, as far as that can be shown; else when the run saw it.

        A decision that counted before the run was reset keeps its instant. Calling it twice is safe.
        """
        async with beating():
            await commit_alone(self._ledger, request)
            claim = request.claim
            before = await self._ledger.read(_counted, request)
            if before is not None:
                return Received(at=min(before, claim.at))
            info, client = activity.info(), activity.client()
            assert info.workflow_id is not None
            handle = client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
            events = [event async for event in handle.fetch_history_events()]
            found = await _received(events, claim, client.data_converter)
            return Received(at=min(found or claim.at, claim.at))


def _counted(connection: Connection, request: FindReceived) -> datetime | None:
    return resets.counted_at(connection, request.gate, request.claim)


@dataclass
class _Task:
    """One workflow task that completed: its events since the task before, and what it accepted."""

    started: datetime
    since: list[HistoryEvent]
    before: datetime | None
    accepted: list[HistoryEvent] = field(default_factory=list)


async def _received(events: Iterable[HistoryEvent], claim: Claimed, converter: DataConverter) -> datetime | None:
    """The instant of the first event with this decision that the task had before it in which the run saw it."""
    task = next((one for one in _tasks(events) if abs(one.started - claim.at) <= SAME), None)
    if task is None:
        return None
    if claim.via == "update":
        return await _of_update(task, claim, converter)
    for event in task.since:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            said = event.workflow_execution_signaled_event_attributes
            if said.signal_name == claim.verb and await _is(said.input, claim.decision, converter):
                return _time(event)
    return None


async def _of_update(task: _Task, claim: Claimed, converter: DataConverter) -> datetime | None:
    """When the task was scheduled, if this update alone can have been the reason; else None."""
    if not task.accepted or task.before is None:
        return None
    # Updates are accepted in the order in which they came, so only the first of them can have woken the run.
    asked = task.accepted[0].workflow_execution_update_accepted_event_attributes.accepted_request.input
    if asked.name != claim.verb or not await _is(asked.args, claim.decision, converter):
        return None
    for event in task.since:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
            return _time(event) if _time(event) - task.before > AT_ONCE else None
        if event.event_type not in _BY_THE_TASK:
            return None
    return None


def _tasks(events: Iterable[HistoryEvent]) -> Iterable[_Task]:
    """The workflow tasks that completed, each with its events."""
    since: list[HistoryEvent] = []
    started, before, task = None, None, None
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            started = _time(event)
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED and started is not None:
            if task is not None:
                yield task
            task = _Task(started, since, before)
            since, before = [], _time(event)
            continue
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED and task is not None:
            task.accepted.append(event)
        since.append(event)
    if task is not None:
        yield task


_BY_THE_TASK = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_TIMER_CANCELED,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
        EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    }
)
"""Events that a completed task writes itself. They wake nobody."""


async def _is(payloads: Payloads, wanted: Decision, converter: DataConverter) -> bool:
    values: list[Any] = await converter.decode(payloads.payloads)
    if len(values) != 1 or not isinstance(values[0], dict):
        return False
    try:
        return Decision.read_typed_by_people(values[0]) == wanted
    except (ContractViolation, ValueError):
        return False


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)
