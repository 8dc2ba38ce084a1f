"""Runs that Temporal ends while they have an approved action that nobody has begun, and what then becomes of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from sqlalchemy import Connection, func, select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

from ledger import relay, upkeep
from ledger.tables import action
from tests.stack import until
from tests.workflows.performing import Performing, Run

Way = Literal["terminated", "timed out", "deleted"]
WAYS: tuple[Way, ...] = get_args(Way)

ATTEMPT = 20.0
"""Seconds within which a run that Temporal will end has to reach its second gate; a slow machine gets more the next time."""


async def approved(performed: Performing, name: str, limit: timedelta | None = None) -> Run:
    """A run whose note `name` a person has approved, and which asks about another one first."""
    run = await performed.start(shown=name, texts=[f"{name} first", name], limit=limit)
    await performed.stack.approve(run, "change-1")
    await performed.stack.gate(run, "action-1")
    return run


async def ended(performed: Performing, way: Way) -> Run:
    """Such a run, after Temporal has ended it in this way and lists it as running no more. Its note has the way's name."""
    run = await (_timed_out(performed, way) if way == "timed out" else approved(performed, way))
    if way == "terminated":
        await run.terminate(reason="the flat is on fire")
    elif way == "deleted":
        client = performed.stack.client
        execution = WorkflowExecution(workflow_id=run.id)
        asked = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
        await client.workflow_service.delete_workflow_execution(asked)
    await until(lambda: _unlisted(performed, run), f"{run.id} is {way}")
    return run


async def _timed_out(performed: Performing, name: str) -> Run:
    for factor in (1, 3, 9):
        limit = ATTEMPT * factor
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(approved(performed, name, timedelta(seconds=limit)), limit)
    raise AssertionError("no run came to its second gate within its time")


async def _unlisted(performed: Performing, run: Run) -> bool | None:
    query = f"WorkflowId = '{run.id}' AND ExecutionStatus = 'Running'"
    return None if [one async for one in performed.stack.client.list_workflows(query)] else True


@dataclass(frozen=True)
class Became:
    """Of one note: since when it is the relay's, which lists it, and when it was settled, in the ledger's microseconds."""

    state: str
    listed: int
    settled: int


def became(connection: Connection, names: tuple[str, ...]) -> dict[str, Became]:
    """What became of these notes so far."""
    query = select(action).where(action.c.summary.in_([f"note {one}" for one in names]))
    return {
        row.summary.removeprefix("note "): Became(row.state, row.handed_at, row.updated_at) for row in connection.execute(query)
    }


def are_delivered(connection: Connection, count: int) -> bool:
    """Whether so many actions were delivered."""
    query = select(func.count()).select_from(action).where(action.c.state == "delivered")
    return int(connection.execute(query).scalar_one()) >= count


def led_by_the_dead(connection: Connection) -> None:
    """A worker that has just taken both leases dies: nobody else leads before these have run out."""
    for part in ("upkeep", relay.PART):
        assert upkeep.lead(connection, "dead", upkeep.LEASE, part)


class Ticks:
    """A clock that moves only when every loop waits for it: what a loop does takes no time, however slow the machine is."""

    def __init__(self, start_us: int, loops: int) -> None:
        self.now_us = start_us
        self.count = 0
        """How often a loop was woken."""
        self._loops = loops
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._all_wait = asyncio.Event()

    def time_ns(self) -> int:
        """As `time.time_ns`."""
        return self.now_us * 1000

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`, by this clock."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.now_us + int(seconds * 1_000_000), woken))
        if len(self._waiting) == self._loops:
            self._all_wait.set()
        await woken

    async def pass_until(self, done: Callable[[], bool], between: Callable[[], Awaitable[None]], most_us: int) -> None:
        """Wake loop after loop in the order of their times until it is done, at most so long. `between` is awaited before."""
        ends = self.now_us + most_us
        while True:
            await self._all_wait.wait()
            await between()
            if done():
                return
            at, woken = min(self._waiting, key=lambda one: one[0])
            assert at <= ends, f"not done within {most_us / 1e6:g} s of its clock"
            self._waiting.remove((at, woken))
            self._all_wait.clear()
            self.now_us, self.count = at, self.count + 1
            woken.set_result(None)
