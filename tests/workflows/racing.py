"""Races of decisions against a gate's deadline: the workflows, the senders, and what must be true of every race afterwards."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.runs.journal import Journal
from contracts.delivery.run import DeliveryInput
from contracts.gates import Decided, GateView
from contracts.journal import Record
from ledger import gates
from tests.stack import PATIENCE, Stack
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER

T = TypeVar("T")

POLICY = Path(__file__).parents[2] / "policy.toml"

SPREAD = 0.06
"""Seconds around the aim in which the senders of one race send."""


def hurried(folder: Path, deadline: float) -> Path:
    """policy.toml with seconds for the gate."""
    head, table, rest = POLICY.read_text().partition("[gates.stuck]\n")
    assert table
    path = folder / "policy.toml"
    after = rest[rest.index("\n[") + 1 :]
    path.write_text(f'{head}{table}who = ["*"]\ndeadline = "PT{deadline:g}S"\n\n{after}')
    return path


@workflow.defn(name="Races")
class Races:
    """Opens one gate after the other, and says how each ended."""

    def __init__(self) -> None:
        self.kit = Kit(("stuck",))
        self.over = False
        workflow.set_signal_handler("over", self._over)

    @workflow.run
    async def run(self, asked: DeliveryInput) -> list[Decided]:
        """As many gates as `rework` says. It ends when all senders have sent, so that none of them meets a closed run."""
        await self.kit.begin(asked, ())
        ended = [await self._gate(at) for at in range(asked.rework)]
        await workflow.wait_condition(lambda: self.over)
        await self.kit.finish("done", "{}")
        return ended

    async def _gate(self, at: int) -> Decided:
        return await gate(self.kit, Ask(kind="stuck", title="who is first?", subject=str(at)))

    def _over(self, *_: Any) -> None:
        self.over = True


@workflow.defn(name="Races")
class NaiveRaces(Races):
    """The same with the checks in the obvious order: an activity looks at an update first, then the gate is taken."""

    def __init__(self) -> None:
        super().__init__()
        for verb in ("approve", "reject"):
            workflow.set_update_handler(verb, self._naive(verb))

    @workflow.run
    async def run(self, asked: DeliveryInput) -> list[Decided]:
        """As above."""
        return await super().run(asked)

    def _naive(self, verb: str) -> Any:
        take = workflow.get_signal_handler(verb)
        assert take is not None

        async def handle(said: Any) -> dict[str, Any]:
            if said["gate"] not in [view.gate for view in self.kit.inbox.waiting()]:
                raise ApplicationError("the gate is decided or expired", type="Refused", non_retryable=True)
            checked = Record(run=self.kit.ref)
            await workflow.execute_activity_method(Journal.record, checked, summary="naive: check", **LEDGER)
            take(said)  # the deadline may have passed meanwhile
            return {"won": True, "verb": verb, "by": said["by"]}

        return handle


@dataclass(frozen=True)
class Sender:
    """Somebody who decides in a race. Each has a name of their own, so that the ledger tells them apart."""

    by: str
    verb: str
    via: str


@dataclass
class Race:
    """One gate, what its senders were told ("" is: nothing), how it ended, and what the ledger has of it."""

    view: GateView
    told: dict[Sender, str] = field(default_factory=dict)
    ended: Decided | None = None
    state: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """Every promise that this race breaks."""
        assert self.ended is not None
        won = [(sender.verb, sender.by) for sender, told in self.told.items() if told == "won"]
        outcome = (self.ended.verb, self.ended.by)
        winners = [(row["verb"], row["by"]) for row in self.rows if row["outcome"] == "won"]
        senders = {sender.by: sender for sender in self.told}
        decided = self.ended.verb != "expired"
        by_update = decided and senders[self.ended.by].via == "update"
        found = {
            "acknowledged and expired": bool(won) and not decided,
            "acknowledged and another one counted": bool(won) and decided and won != [outcome],
            "acknowledged twice": len(won) > 1,
            "counted and not acknowledged": by_update and outcome not in won,
            "the ledger has another outcome": winners != ([outcome] if decided else []) or self.state != self.ended.verb,
            "a sender got no answer": "" in self.told.values(),
            "a decision is not in the ledger": {row["by"] for row in self.rows} != set(senders),
        }
        return [promise for promise, broken in found.items() if broken]


@dataclass
class Track:
    """The races of one worker. The senders aim so that about half of the gates expire, however slow the machine is."""

    stack: Stack
    deadline: float
    """Seconds that a gate is open."""
    races: list[Race] = field(default_factory=list)
    aim: float = -0.1
    views: dict[tuple[str, str], GateView] = field(default_factory=dict)

    async def run(self, queue: str, runs: int, each: int) -> None:
        """Let so many runs have so many races each, all runs at the same time, and look at them afterwards."""
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.gather(*(self._one(f"{queue}-{number}", queue, each) for number in range(runs)))
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """Know the gates that open, as people see them."""
        while True:
            for view in await self.stack.ledger.read(gates.open_gates):
                self.views.setdefault((view.workflow_id, view.gate), view)
            await asyncio.sleep(0.02)

    async def _one(self, workflow_id: str, queue: str, each: int) -> None:
        asked = {"repository": "none", "instruction": "race", "owner": "olga", "rework": each}
        run: WorkflowHandle[Any, list[Decided]] = await self.stack.client.start_workflow(
            "Races", asked, id=workflow_id, task_queue=queue, result_type=list[Decided]
        )
        mine = [await self._race(run, f"stuck-{number}") for number in range(1, each + 1)]
        await run.signal("over")
        for race, ended in zip(mine, await asyncio.wait_for(run.result(), PATIENCE), strict=True):
            race.ended = ended
            _, race.state = await self.stack.ledger.read(gates.find, race.view.trace, race.view.gate)
            rows = await self.stack.ledger.read(gates.decisions, race.view.trace)
            race.rows = [row for row in rows if row["gate"] == race.view.gate]
        self.races += mine

    async def _race(self, run: WorkflowHandle[Any, Any], name: str) -> Race:
        ends = time.monotonic() + PATIENCE
        while (run.id, name) not in self.views:
            assert time.monotonic() < ends, f"{name} of {run.id} did not open"
            await asyncio.sleep(0.01)
        view = self.views[run.id, name]
        ways = (("ada", "approve", "update"), ("ben", "reject", "update"), ("cleo", "approve", "signal"))
        race = Race(view, {Sender(f"{by} at {name}", verb, via): "" for by, verb, via in ways})
        aim = self.aim
        await asyncio.gather(*(self._send(run, race, sender, aim) for sender in race.told))
        step = -0.02 if any("expired" in told for told in race.told.values()) else 0.02
        self.aim = max(min(self.aim + step, 2.0), 0.2 - self.deadline)
        return race

    async def _send(self, run: WorkflowHandle[Any, Any], race: Race, sender: Sender, aim: float) -> None:
        at = aim + random.uniform(-SPREAD, SPREAD)
        await asyncio.sleep((race.view.deadline - datetime.now(UTC)).total_seconds() + at)
        said = {"gate": race.view.gate, "by": sender.by, "subject": race.view.subject, "note": "now"}
        if sender.via == "signal":
            await insist(lambda: run.signal(sender.verb, said))
            race.told[sender] = "sent"
            return
        try:
            # One id: sent again, it is the same update.
            answer: dict[str, Any] = await insist(lambda: run.execute_update(sender.verb, said, id=sender.by))
            race.told[sender] = "won" if answer["won"] else f"not counted: {answer}"
        except WorkflowUpdateFailedError as refused:
            race.told[sender] = f"refused: {refused.cause}"


async def insist(send: Callable[[], Awaitable[T]]) -> T:
    """Send until there is an answer: a server without time to think aborts updates, and says so."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return await send()
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            lost = not isinstance(error, RPCError) or error.status in (
                RPCStatusCode.UNAVAILABLE,
                RPCStatusCode.DEADLINE_EXCEEDED,
                RPCStatusCode.FAILED_PRECONDITION,  # a task of a stopped worker timed out: the run takes none for now
            )
            if not lost or time.monotonic() > ends:
                raise
        await asyncio.sleep(0.1)


def outcomes(races: Sequence[Race]) -> Counter[str]:
    """How the gates ended."""
    return Counter("expired" if race.ended.verb == "expired" else "decided" for race in races if race.ended is not None)


def wrong(races: Sequence[Race]) -> Counter[str]:
    """How often which promise was broken."""
    return Counter(promise for race in races for promise in race.wrong())
