"""Resetting runs in a test, and looking at what must not have changed."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from activities.providers.base import Provider
from contracts.conversation import ModelReply, ModelRequest
from contracts.delivery.run import DeliveryReport
from contracts.runs import FeedLine
from ledger import feed, gates, runs
from ledger.tables import action, reservation
from tests.replay.test_saved import replayer
from tests.stack import Stack, git, until
from workflows.delivery.story import Delivery

Run = WorkflowHandle[Any, DeliveryReport]

NOT_AGAIN = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
)
"""What people sent after the point of the reset is not applied again."""


@dataclass
class Counting:
    """A provider that keeps what it was asked. While `held`, a request whose agent is named there waits."""

    inner: Provider
    asked: list[ModelRequest] = field(default_factory=list)
    held: dict[str, asyncio.Event] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the provider's own."""
        return self.inner.name

    async def complete(self, request: ModelRequest) -> ModelReply:
        """What the provider says."""
        self.asked.append(request)
        if request.agent in self.held:
            await self.held[request.agent].wait()
        return await self.inner.complete(request)

    async def close(self) -> None:
        """Close the provider."""
        await self.inner.close()


def counting(stack: Stack) -> Counting:
    """Keep what this worker's model is asked from now on."""
    found = Counting(stack.parts.providers["scripted"])
    stack.parts.providers["scripted"] = found
    return found


@dataclass(frozen=True)
class Point:
    """An event that a run can be reset to, and what the run did next: activities by name, else kinds of events."""

    event: int
    next: tuple[str, ...]


async def points(run: Run) -> list[Point]:
    """Every event that a run can be reset to: the completed workflow tasks of its first run."""
    found: dict[int, set[str]] = {}
    task = 0
    for one in (await run.fetch_history()).events:
        if one.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            task = one.event_id
            found[task] = set()
        elif one.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
            task = 0
        elif task:
            name = one.activity_task_scheduled_event_attributes.activity_type.name
            found[task].add(name or EventType.Name(one.event_type))
    return [Point(event, tuple(sorted(did))) for event, did in found.items()]


async def point_before(run: Run, activity: str, nth: int = 1) -> int:
    """The workflow task that scheduled the nth activity of this name."""
    seen, task = 0, 0
    async for event in run.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            task = event.event_id
        seen += event.activity_task_scheduled_event_attributes.activity_type.name == activity
        if seen == nth:
            return task
    raise AssertionError(f"{activity} was not scheduled {nth} times")


async def reset(
    stack: Stack, run: Run, point: int, exclude: Sequence[ResetReapplyExcludeType.ValueType] = (), *, of: str | None = None
) -> Run:
    """Set a run of the workflow back to a completed task, and give back the one that takes its place. `of`: None, the first."""
    request = ResetWorkflowExecutionRequest(
        namespace=stack.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=of or run.first_execution_run_id),
        reason="a test",
        request_id=secrets.token_hex(8),
        workflow_task_finish_event_id=point,
        reset_reapply_exclude_types=exclude,
    )
    made = await stack.client.workflow_service.reset_workflow_execution(request)
    return stack.client.get_workflow_handle_for(Delivery.run, run.id, run_id=made.run_id)


async def to_its_end(stack: Stack, run: Run, verb: str = "approve") -> DeliveryReport:
    """The run's report. Where it waits at a gate all the same, that is decided anew."""
    ended = asyncio.ensure_future(run.result())
    while not ended.done():
        await asyncio.wait([ended], timeout=0.2)
        waiting = [] if ended.done() else await stack.ledger.read(gates.open_gates)
        for view in (one for one in waiting if one.workflow_id.startswith(run.id)):
            handle = stack.client.get_workflow_handle(view.workflow_id)
            if await _is_busy(handle):  # with what is applied again, maybe
                continue
            try:
                await handle.execute_update(verb, {"gate": view.gate, "by": "mia", "subject": view.subject})
            except Exception as error:
                # What was applied again may have been faster, also to end the run.
                if not any(text in str(error.__cause__ or error) for text in ("closed", "was first", "not open", "completed")):
                    raise
    return ended.result()


async def _is_busy(run: Run) -> bool:
    """True while a task of the run's or an activity is under way: a gate that it has opened is not waited at yet."""
    found = (await run.describe()).raw_description
    return bool(found.pending_activities) or found.HasField("pending_workflow_task")


@dataclass(frozen=True)
class Left:
    """What a run has left behind outside of Temporal."""

    refs: str
    objects: str
    actions: list[tuple[str, str, int]]
    held: int
    paid: int


async def left(stack: Stack, origin: Path, model: Counting) -> Left:
    """Look at the origin, the outbox, the reservations, and how often the model was asked."""
    refs, objects = git(origin, "for-each-ref"), git(origin, "rev-list", "--objects", "--all", "--count")
    outbox, held = await stack.ledger.read(_rows)
    return Left(refs, objects, outbox, held, len(model.asked))


def _rows(connection: Connection) -> tuple[list[tuple[str, str, int]], int]:
    outbox = connection.execute(select(action.c.key, action.c.state, action.c.attempts).order_by(action.c.key)).all()
    held = connection.execute(select(reservation.c.id).where(reservation.c.state == "held")).all()
    return [(row.key, row.state, row.attempts) for row in outbox], len(held)


async def is_consistent(stack: Stack, run: Run, state: str) -> None:
    """The row says what the newest run did; it replays; no gate is left open; no line stands there twice."""
    replayed = await replayer().replay_workflow(await run.fetch_history(), raise_on_replay_failure=False)
    assert replayed.replay_failure is None, replayed.replay_failure
    row = await stack.ledger.read(runs.find, run.id)
    assert (row.state, json.loads(row.run_ids)[-1], json.loads(row.result)["state"]) == (state, run.run_id, state)
    assert row.ended_at is not None
    assert await stack.ledger.read(gates.open_gates, trace=row.trace) == []
    lines = await stack.ledger.read(feed.after, 0, trace=row.trace, limit=10_000)
    repeated = Counter((line.path, line.stage, line.actor, line.did, line.why) for line in lines if not _may_repeat(line))
    twice = [said for said, times in repeated.items() if times > 1]
    assert twice == [], twice


def _may_repeat(line: FeedLine) -> bool:
    """Each run of a chain ends; and two turns or tools of one conversation may read the same."""
    return line.stage == "end" or line.importance == "detail"


async def decisions(stack: Stack, trace: str) -> list[tuple[str, str, str, str]]:
    """(gate, verb, by, outcome) of all that was decided, in order."""
    rows = await stack.ledger.read(gates.decisions, trace)
    return [(row["gate"], row["verb"], row["by"], row["outcome"]) for row in rows]


async def child_runs(stack: Stack, run: Run, name: str) -> list[str]:
    """The statuses of all runs of one child, once Temporal lists them."""

    async def look() -> list[str] | None:
        found = [one async for one in stack.client.list_workflows(f"WorkflowId = '{run.id}.{name}'")]
        return [one.status.name for one in found if one.status is not None] or None

    return await until(look, f"{name} of {run.id} is listed")
