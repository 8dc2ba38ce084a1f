"""Workers that end while they hold a run: how it goes on without them, and how many seconds that takes."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable
from dataclasses import dataclass

from temporalio.api.enums.v1 import TimeoutType
from temporalio.client import WorkflowHandle

from commands.server import ROOT
from contracts.gates import GateView
from ledger import tables
from tests import children
from tests.chaos.audit import audit, rows
from tests.chaos.fleet import Worker
from tests.chaos.scenario import Scenario, scenario
from tests.chaos.world import World
from tests.stack import until


@dataclass(frozen=True)
class Recovered:
    """What was seen. Seconds are judged by `make bench NAME=recovery` alone: they are the machine's as much as ours."""

    idle: float
    """From a decision until it is answered, where the run was in the memory of a worker that had been killed."""
    deciding: float
    """From the start of the next worker until whoever decided is answered, where one died over the decision."""
    problems: list[str]
    again: list[str]
    """Why activities that record decisions were tried again."""


async def at_gates(world: World, name: str = "gates") -> Recovered:
    """At the plan, idle, a run loses its worker; over the change the next one commits the decision, and dies."""
    async with scenario(world, name, person=False) as deliveries:
        run = asyncio.create_task(deliveries.deliver(1))
        holder = await deliveries.fleet.start()
        plan = await deliveries.asks()
        worker = await _ready(await deliveries.fleet.start(point="gate.before_completion", hits=2))
        holder.signal(signal.SIGKILL)
        await holder.ended
        idle = await _took(deliveries.approve(plan))
        change = await deliveries.asks()
        answering = asyncio.create_task(deliveries.approve(change))
        await worker.ended
        assert worker.acted
        await deliveries.fleet.start()
        deciding = await _took(answering)
        await deliveries.approve_until(run)
        await deliveries.fleet.end()
        return Recovered(idle, deciding, audit(deliveries), await _again(deliveries, change))


async def _took(what: Awaitable[None]) -> float:
    started = time.monotonic()
    await what
    return time.monotonic() - started


@dataclass(frozen=True)
class Drained:
    """How `python worker.py` ended, in the middle of a call. `by` are the workers that called models."""

    seconds: float
    problems: list[str]
    code: int
    calls: list[str]
    by: set[str]
    workers: set[str]


async def draining(world: World, name: str = "drain") -> Drained:
    """SIGTERM while a worker waits for a model's answer; from there until it has ended."""
    async with scenario(world, name) as deliveries:
        variables = {"PATH": "/usr/bin:/bin", **deliveries.fleet.variables}
        program = children.started_here(
            *(sys.executable, ROOT / "worker.py"), env=variables, cwd=deliveries.folder, stderr=asyncio.subprocess.DEVNULL
        )
        async with program as worker, asyncio.TaskGroup() as lanes:
            lanes.create_task(deliveries.deliver(1))
            await until(lambda: _calling(deliveries), "the worker waits for an answer")
            worker.send_signal(signal.SIGTERM)
            started = time.monotonic()
            await deliveries.fleet.start()
            code = await worker.wait()
            took = time.monotonic() - started
        await deliveries.fleet.end()
        calls = rows(deliveries, tables.reservation)
        by = {str(row.worker.split(":")[1]) for row in calls}
        workers = {str(worker.pid), str(deliveries.fleet.workers[0].pid)}
        return Drained(took, audit(deliveries), code, [row.state for row in calls], by, workers)


async def _ready(worker: Worker) -> Worker:
    """The worker, when it polls."""

    async def look() -> bool | None:
        return True if worker.ready else None

    await until(look, "the worker polls")
    return worker


async def _calling(deliveries: Scenario) -> bool | None:
    return True if any(row.state == "held" for row in rows(deliveries, tables.reservation)) else None


async def _again(deliveries: Scenario, view: GateView) -> list[str]:
    """By which time limit earlier attempts at the gate's decisions were given up, as the server has written it down."""
    run: WorkflowHandle[object, object] = deliveries.client.get_workflow_handle(view.workflow_id)
    scheduled, why = {}, []
    async for event in run.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        started = event.activity_task_started_event_attributes
        if scheduled.get(started.scheduled_event_id) == "admit_decision" and started.attempt > 1:
            why.append(TimeoutType.Name(started.last_failure.timeout_failure_info.timeout_type))
    return why
