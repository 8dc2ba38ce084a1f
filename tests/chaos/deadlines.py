"""Races of decisions against a gate's deadline that no worker was there to see: each was killed or stopped over it."""

import asyncio
import json
import random
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select
from temporalio import workflow
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from contracts.delivery.run import DeliveryInput
from contracts.gates import Decided, GateView
from ledger import gates
from ledger.tables import gate
from tests.chaos.fleet import Worker
from tests.chaos.scenario import Scenario, scenario
from tests.chaos.world import World
from tests.stack import result_of, until
from tests.workflows.racing import Race, Races, Sender, hurried, insist

AIMS = ((-1.0, 1.0), (0.05, 1.0), (-1.0, -0.05))
"""Between which seconds, counted from the deadline, the decisions of a race are sent: around it, all too late, all in time."""

LAST = 1.0

MARGIN = timedelta(milliseconds=2)
"""A workflow's clock is a float: what came so close to the deadline may be taken for either."""

WAYS = (("ada", "approve", "update"), ("ben", "reject", "update"), ("cleo", "approve", "signal"), ("dan", "reject", "signal"))


@workflow.defn(name="Rounds")
class Rounds(Races):
    """The same, with a signal `go` before each gate: those of all runs open together, and one fault meets them all."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0
        workflow.set_signal_handler("go", self._go)

    @workflow.run
    async def run(self, asked: DeliveryInput) -> list[Decided]:
        """As `Races`."""
        return await super().run(asked)

    async def _gate(self, at: int) -> Decided:
        await workflow.wait_condition(lambda: self.rounds > at)
        return await super()._gate(at)

    def _go(self, *_: Any) -> None:
        self.rounds += 1


@dataclass
class Away(Race):
    """A race, when each decision was sent, when Temporal received those that it keeps a time of, and when no worker ran."""

    sent: dict[str, datetime] = field(default_factory=dict)
    received: dict[str, datetime] = field(default_factory=dict)
    aim: tuple[float, float] = AIMS[0]
    gone: datetime | None = None
    back: datetime | None = None

    @property
    def landed(self) -> bool:
        """True if no worker ran at the deadline."""
        return self.gone is not None and self.back is not None and self.gone < self.view.deadline < self.back

    def wrong(self) -> list[str]:
        """Every promise that this race breaks."""
        assert self.ended is not None
        ends, found = self.view.deadline, super().wrong()
        if self.ended.verb != "expired":
            came = self.received.get(self.ended.by, self.sent[self.ended.by])
            found += ["it counted and came after the deadline"] if came > ends + MARGIN else []
        elif any(came < ends - MARGIN for came in self.received.values()):
            found += ["it came before the deadline and did not count"]
        return found


async def raced(
    world: World, name: str, fault: str, runs: int, each: int, deadline: float, variant: str = "races"
) -> list[Away]:
    """So many runs side by side have so many races each; over every deadline their only worker is killed or stopped."""
    async with scenario(world, name, person=False) as made:
        made.fleet.variables["BATON_POLICY"] = str(hurried(made.folder, deadline))
        worker = await made.fleet.start(variant=variant)
        asked = {"repository": "none", "instruction": "race", "owner": "olga", "rework": each}
        handles = [
            await made.client.start_workflow("Rounds", asked, id=f"{name}-{at}", task_queue=name, result_type=list[Decided])
            for at in range(runs)
        ]
        races: list[Away] = []
        for number in range(1, each + 1):
            await until(partial(_closed, made), "the gates of the last round have closed")
            for handle in handles:
                await handle.signal("go")
            views = await until(partial(_opened, made, handles, f"stuck-{number}"), f"gate {number} of each run opened")
            now = [Away(view, aim=AIMS[at % len(AIMS)]) for at, view in enumerate(views)]
            worker = await _over_the_deadline(made, worker, variant, fault, now)
            races += now
        for handle in handles:
            await handle.signal("over")
        for handle in handles:
            await _looked_at(made, handle, [race for race in races if race.view.workflow_id == handle.id])
        await made.fleet.end()
        return races


async def _opened(made: Scenario, handles: Sequence[WorkflowHandle[Any, Any]], name: str) -> list[GateView] | None:
    """The gates of this name, once each run has opened one. Where the machine is slow the first may have expired by then."""
    query = select(gate.c.view).where(gate.c.gate == name).order_by(gate.c.workflow_id)
    views = await made.ledger.read(lambda connection: list(connection.execute(query).scalars()))
    return [GateView.model_validate_json(view) for view in views] if len(views) == len(handles) else None


async def _closed(made: Scenario) -> bool | None:
    return None if await made.ledger.read(gates.open_gates) else True


async def _over_the_deadline(made: Scenario, worker: Worker, variant: str, fault: str, races: list[Away]) -> Worker:
    """No worker runs from before the first deadline until all is sent. Returns the one that goes on."""
    worker.signal(signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
    await until(lambda: _gone(worker), "the worker is gone")
    gone = datetime.now(UTC)
    sending = [asyncio.create_task(_send(made, race, by, verb, via)) for race in races for by, verb, via in WAYS]
    last = max(race.view.deadline for race in races)
    await asyncio.sleep((last - datetime.now(UTC)).total_seconds() + LAST)
    await until(lambda: _all_sent(races), "all is sent", every=0.02)
    back = datetime.now(UTC)
    if fault == "kill":
        worker = await made.fleet.start(variant=variant)
    else:
        worker.signal(signal.SIGCONT)
    for one in sending:
        await one
    for race in races:
        race.gone, race.back = gone, back
    return worker


async def _gone(worker: Worker) -> bool | None:
    return True if worker.frozen or not worker.alive else None


async def _all_sent(races: list[Away]) -> bool | None:
    return True if all(len(race.sent) == len(WAYS) for race in races) else None


async def _send(made: Scenario, race: Away, by: str, verb: str, via: str) -> None:
    sender = Sender(f"{by} at {race.view.gate}", verb, via)
    race.told[sender] = ""
    wait = (race.view.deadline - datetime.now(UTC)).total_seconds() + random.uniform(*race.aim)
    await asyncio.sleep(max(wait, 0))
    said = {"gate": race.view.gate, "by": sender.by, "subject": race.view.subject, "note": "now"}
    run = made.client.get_workflow_handle(race.view.workflow_id)
    race.sent[sender.by] = datetime.now(UTC)
    if via == "signal":
        await insist(lambda: run.signal(verb, said))
        race.told[sender] = "sent"
        return
    try:
        answer: dict[str, Any] = await insist(lambda: run.execute_update(verb, said, id=sender.by))
        race.told[sender] = "won" if answer["won"] else f"not counted: {answer}"
    except WorkflowUpdateFailedError as refused:
        race.told[sender] = f"refused: {refused.cause}"


async def _looked_at(made: Scenario, handle: WorkflowHandle[Any, list[Decided]], mine: list[Away]) -> None:
    """How each race ended, by the run, the ledger, and Temporal's own times."""
    came = {by: at async for by, at in _signals(handle)}
    for race, ended in zip(mine, await result_of(handle), strict=True):
        race.ended = ended
        _, race.state = await made.ledger.read(gates.find, race.view.trace, race.view.gate)
        rows = await made.ledger.read(gates.decisions, race.view.trace)
        race.rows = [row for row in rows if row["gate"] == race.view.gate]
        race.received = {sender.by: came[sender.by] for sender in race.told if sender.via == "signal"}


async def _signals(handle: WorkflowHandle[Any, Any]) -> Any:
    """Who sent each signal that the run got, and when Temporal received it."""
    async for event in handle.fetch_history_events():
        said = event.workflow_execution_signaled_event_attributes
        if event.HasField("workflow_execution_signaled_event_attributes") and said.input.payloads:
            yield json.loads(said.input.payloads[0].data)["by"], event.event_time.ToDatetime(tzinfo=UTC)


def told(races: Sequence[Away]) -> str:
    """What was raced, in a line."""
    ends = Counter("expired" if race.ended.verb == "expired" else "decided" for race in races if race.ended is not None)
    return f"{len(races)} races, {sum(race.landed for race in races)} without a worker at the deadline, {dict(ends)}"
