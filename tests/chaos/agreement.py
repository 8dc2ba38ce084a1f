"""Runs go through random pauses, decisions, resets, kills, restarts and terminations: what is said of each has to agree."""

import contextlib
import random
import secrets
import signal
from collections.abc import Callable
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from contracts.runs import FINAL
from ledger import gates, runs
from tests.agreement import agreed, closed
from tests.chaos.scenario import PERSON, Scenario, branch_of
from tests.chaos.scene import CHECK
from tests.stack import until

STEPS = ("pause", "resume", "decide", "decide", "look", "reset", "kill", "restart", "terminate")
"""What happens, one of these after the other; `decide` twice, so that runs get somewhere. Cancelling comes last, or never.

A run that was terminated stays closed, whatever comes, until it is reset.
"""

LENGTH = 8


class Course:
    """One run, and what is done to it."""

    def __init__(self, deliveries: Scenario, number: int) -> None:
        self.deliveries, self.chance = deliveries, random.Random(number)
        self.name = f"{deliveries.name}-{number}"
        self.done: list[str] = []

    @property
    def run(self) -> WorkflowHandle[Any, Any]:
        """The newest run of the workflow."""
        return self.deliveries.client.get_workflow_handle(self.name)

    async def begin(self, variant: str = "shipped") -> None:
        """Start the run and a worker, and wait for its row."""
        asked = {"repository": self.deliveries.world.repository, "branch": branch_of(self.name), "owner": "olga"}
        asked |= {"instruction": f"Say how half a cent is rounded (run {self.name})", "check": CHECK}
        await self.deliveries.client.start_workflow("Delivery", asked, id=self.name, task_queue=self.deliveries.name)
        await self.deliveries.fleet.start(variant=variant)
        await until(self._is_on_record, "the run is on record")

    async def go(self) -> list[str]:
        """Do all that is drawn, with a look after each; then let the run end, with another. Returns what was done."""
        await self.begin()
        steps = self.chance.choices(STEPS, k=LENGTH)
        for step in [*steps, "cancel"] if self.chance.random() < 0.4 else steps:
            self.done.append(step)
            if step == "decide":
                await self.asked()
            await self._does(step)()
            await self.look()
        await self.to_its_end()
        return self.done

    async def look(self) -> None:
        """Wait until all agree, and until a run that is over is open nowhere: see `tests/agreement.py` for what can agree."""
        ledger, client = self.deliveries.ledger, self.deliveries.client
        try:
            if (await self.run.describe()).status is not WorkflowExecutionStatus.TERMINATED:
                await agreed(ledger, self.run)
            if (await self.run.describe()).status not in (None, WorkflowExecutionStatus.RUNNING):
                await closed(ledger, client, self.name)
        except AssertionError as error:
            raise AssertionError(f"after {self.done} of {self.name}: {error}") from None

    async def to_its_end(self) -> None:
        """Resume, approve all that opens, and see that nothing is left open."""
        await self._switch("resume")

        async def over() -> bool | None:
            await self.decide()
            row = await self.deliveries.ledger.read(runs.find, self.name)
            return True if row.state in FINAL else None

        await until(over, f"{self.name} has ended after {self.done}")
        await closed(self.deliveries.ledger, self.deliveries.client, self.name)
        await self.look()

    def _does(self, step: str) -> Callable[[], Any]:
        if step in ("pause", "resume"):
            return lambda: self._switch(step)
        does = {"decide": self.decide, "look": self.look, "reset": self.reset, "kill": self.kill, "restart": self.restart}
        return (does | {"cancel": self.cancel, "terminate": self.terminate})[step]

    async def _switch(self, name: str) -> None:
        with _unless_ended():
            await self.run.signal(name, {})

    async def cancel(self) -> None:
        """As an operator does it in Temporal."""
        with _unless_ended():
            await self.run.cancel()

    async def terminate(self) -> None:
        """As an operator does it in Temporal: the run itself can record nothing."""
        with _unless_ended():
            await self.run.terminate("a test")

    async def decide(self) -> None:
        """Approve what is open now, if anything is."""
        for view in await self.deliveries.ledger.read(gates.open_gates):
            if view.workflow_id.startswith(self.name):
                with _unless_ended():
                    handle = self.deliveries.client.get_workflow_handle(view.workflow_id)
                    await handle.signal("approve", {"gate": view.gate, "by": PERSON, "subject": view.subject})

    async def asked(self) -> None:
        """Wait until a person is asked; a run that is paused or has ended asks nobody."""

        async def asks() -> bool | None:
            row = await self.deliveries.ledger.read(runs.find, self.name)
            if row.state == "paused" or row.state in FINAL:
                return True
            return bool(await self.deliveries.ledger.read(gates.open_gates, trace=row.trace)) or None

        await until(asks, f"{self.name} asks a person")

    async def reset(self) -> None:
        """Set the newest run back to one of its completed tasks."""
        run_id = (await self.run.describe()).run_id
        handle = self.deliveries.client.get_workflow_handle(self.name, run_id=run_id)
        events = [event async for event in handle.fetch_history_events()]
        tasks = [one.event_id for one in events if one.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
        request = ResetWorkflowExecutionRequest(
            namespace=self.deliveries.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=self.name, run_id=run_id),
            reason="a test",
            request_id=secrets.token_hex(8),
            workflow_task_finish_event_id=self.chance.choice(tasks),
        )
        await self.deliveries.client.workflow_service.reset_workflow_execution(request)

    async def kill(self) -> None:
        """Kill the worker that has been there longest, and start another."""
        self.deliveries.fleet.alive[0].signal(signal.SIGKILL)
        await self.deliveries.fleet.start()

    async def restart(self) -> None:
        """End every worker as an operator does it, and start one."""
        await self.deliveries.fleet.end()
        await self.deliveries.fleet.start()

    async def _is_on_record(self) -> bool | None:
        with contextlib.suppress(Exception):
            return bool(await self.deliveries.ledger.read(runs.find, self.name)) or None
        return None


@contextlib.contextmanager
def _unless_ended() -> Any:
    """What is sent to a run that has just ended comes to nothing."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
