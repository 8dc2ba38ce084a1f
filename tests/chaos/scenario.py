"""Deliveries under faults: a ledger, a task queue and a fleet of their own; a person who approves; and what went on."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from contracts.delivery.run import DeliveryReport
from contracts.gates import GateView
from ledger import gates
from ledger.db import Ledger
from ledger.migrate import upgrade
from ledger.tables import feed_head
from tests.chaos.fleet import Fleet
from tests.chaos.scene import CHECK, Scene
from tests.chaos.world import World
from tests.stack import until

T = TypeVar("T")

MODEL = "openai:gpt-6.1-terra"
PERSON = "maria"
LOOK = 0.2
"""Seconds between two looks of the person at the open gates."""


@dataclass
class Scenario:
    """One ledger and those who work on it. `acknowledged` is what Temporal confirmed to the person."""

    name: str
    world: World
    ledger: Ledger
    fleet: Fleet
    folder: Path
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    reports: dict[str, DeliveryReport | str] = field(default_factory=dict)
    """By run: its report, or what it failed with."""
    open: set[str] = field(default_factory=set)

    @property
    def client(self) -> Client:
        """To Temporal."""
        return self.world.client

    @property
    def scene(self) -> Scene:
        """The books."""
        return self.world.scene

    async def deliver(self, number: int) -> None:
        """Start a delivery and wait for its end, through every outage."""
        run = f"{self.name}-{number}"
        asked = {"repository": self.world.repository, "branch": branch_of(run), "owner": "olga"}
        asked |= {"instruction": f"Say how half a cent is rounded (run {run})", "check": f"{CHECK}  # {self.folder}"}
        self.open.add(run)
        handle = await persist(lambda: self._start(run, asked))
        try:
            self.reports[run] = DeliveryReport.model_validate(await persist(handle.result))
        except Exception as error:  # noqa: BLE001 - whatever ended it, the audit says that it did not end well
            self.reports[run] = f"{error}: {error.__cause__}"
        self.open.discard(run)

    async def _start(self, run: str, asked: dict[str, Any]) -> WorkflowHandle[Any, Any]:
        existing = WorkflowIDConflictPolicy.USE_EXISTING  # an earlier try may have reached the server that was killed
        return await self.client.start_workflow("Delivery", asked, id=run, task_queue=self.name, id_conflict_policy=existing)

    async def approve_all(self) -> None:
        """Approve whatever opens, until cancelled."""
        asked: set[tuple[str, str]] = set()
        async with asyncio.TaskGroup() as people:
            while True:
                for view in await self.ledger.read(gates.open_gates):
                    if (view.trace, view.gate) not in asked:
                        asked.add((view.trace, view.gate))
                        people.create_task(self.approve(view))
                await asyncio.sleep(LOOK)

    async def approve_until(self, run: "asyncio.Task[None]") -> None:
        """Approve whatever opens until a delivery has ended."""
        person = asyncio.create_task(self.approve_all())
        await run
        await stopped(person)

    async def approve(self, view: GateView) -> None:
        """Approve one gate, through every outage, until it is acknowledged or refused."""
        decision = {"gate": view.gate, "by": PERSON, "subject": view.subject}
        handle = self.client.get_workflow_handle(view.workflow_id)

        async def send() -> None:
            await handle.execute_update("approve", decision, id=f"{view.gate}-{PERSON}")

        with contextlib.suppress(WorkflowUpdateFailedError):  # the gate stays open then, and the run does not end
            await persist(send)
            self.acknowledged.add((view.trace, view.gate))

    async def asks(self) -> GateView:
        """The gate that opens next."""

        async def look() -> GateView | None:
            return next(iter(await self.ledger.read(gates.open_gates)), None)

        return await until(look, "a gate opens")

    async def is_busy(self, pid: int) -> bool:
        """True if an activity runs on this worker now, as the server has it."""
        runs = list(self.open)
        while runs:
            found = await asyncio.gather(*(self._described(run) for run in runs))
            running = [activity.last_worker_identity for one in found for activity in one.pending_activities]
            if any(f"/{pid}@" in identity for identity in running):
                return True
            runs = [child.workflow_id for one in found for child in one.pending_children]
        return False

    async def why_open(self) -> str:
        """What the open runs wait for, for whoever has to find out."""
        found = [(run, await self._described(run)) for run in self.open]
        return "; ".join(
            f"{run}: " + ", ".join(f"{one.activity_type.name} attempt {one.attempt}" for one in said.pending_activities)
            for run, said in found
        )

    async def _described(self, run: str) -> Any:
        return (await persist(self.client.get_workflow_handle(run).describe)).raw_description

    async def progress(self) -> int:
        """How many lines all feeds have."""
        return await self.ledger.read(lambda connection: int(connection.execute(select(feed_head.c.seq)).scalar() or 0))


def branch_of(run: str) -> str:
    """Where a run pushes."""
    return f"chaos/{run}"


@contextlib.asynccontextmanager
async def scenario(world: World, name: str, *, person: bool = True, ledger_url: str = "") -> AsyncIterator[Scenario]:
    """A scenario in a folder of its own, by default with a person who approves all."""
    folder = world.folder / name
    state = folder / "state"
    ledger = Ledger(ledger_url or f"sqlite:///{state / 'ledger.db'}", state / "artifacts")
    upgrade(ledger)
    variables = {
        "TEMPORAL_ADDRESS": world.ports.address,
        "BATON_STATE": str(state),
        "BATON_LEDGER_URL": ledger.url,
        "BATON_TASK_QUEUE": name,
        "BATON_MODEL": MODEL,
        "BATON_OPENAI_BASE_URL": world.model_url,
        "BATON_OPENAI_API_KEY": "test-key",
        "BATON_PROVIDERS": json.dumps({"openai": {"vendor": "openai"}}),
        "BATON_LOG_FORMAT": "json",
    }
    made = Scenario(name, world, ledger, Fleet(world.zygote, folder / "workers", variables), folder)
    approving = [asyncio.create_task(made.approve_all())] if person else []
    try:
        yield made
    finally:
        for task in approving:
            await stopped(task)
        made.fleet.kill()
        ledger.close()


async def stopped(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """What the call gives, tried again while the server is away."""
    while True:
        try:
            return await call()
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # the client turns our own cancellation into its error
                raise asyncio.CancelledError from None
            await asyncio.sleep(LOOK)
