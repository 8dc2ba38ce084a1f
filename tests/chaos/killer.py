"""Kills workers while they hold money, by a count of calls and not by a clock, and counts the kills."""

import asyncio
import random
import signal
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from contracts.errors import LedgerUnavailable
from ledger.tables import reservation
from tests.chaos.budget import LOOK, PATIENCE, Budget
from tests.stack import until

POINTS = ("model.before_call", "model.before_settle", "model.before_completion", "")
PAUSE = 0.1


@dataclass
class Killer:
    """Keeps so many workers running, most of them armed, and strikes whenever `every` more calls were asked.

    A worker that is armed dies in one of its first `hits` calls. All choices come from one seed.
    """

    budget: Budget
    seed: int
    size: int
    variant: str
    hits: int
    every: int
    armed: bool = True
    with_money: int = 0
    """Kills from the outside, each of a worker with calls under way."""
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def acted(self) -> int:
        """Kills by failpoints, in the middle of a call."""
        return sum(worker.killed and worker.acted for worker in self.budget.fleet.workers)

    def __str__(self) -> str:
        return f"{self.acted} workers killed in a call and {self.with_money} from outside with money held"

    async def run(self) -> None:
        """Replace who is gone, and strike, until cancelled."""
        due = self.every
        while True:
            await self.reinforce()
            await asyncio.sleep(PAUSE)
            try:
                if await self.budget.reserved() >= due and await self._strike():
                    due = await self.budget.reserved() + self.every
            except LedgerUnavailable:
                continue

    async def landed(self, wanted: int) -> None:
        """Wait for so many kills, or until no run is left that one could meet."""

        async def look() -> bool | None:
            enough = self.with_money + self.acted >= wanted
            return enough or (await self.budget.left() == 0) or None

        await until(look, f"{wanted} kills met workers with calls under way", PATIENCE, LOOK)

    async def reinforce(self) -> None:
        """As a supervisor would: a worker that is gone is replaced at once."""
        for _ in range(self.size - len(self.budget.fleet.alive)):
            point = self._random.choice(POINTS) if self.armed else ""
            await self.budget.fleet.start(variant=self.variant, point=point, hits=self._random.randint(1, self.hits))

    async def disarm(self) -> None:
        """Kill those that would still kill themselves, and start others."""
        self.armed = False
        for worker in self.budget.fleet.alive:
            if worker.point:
                worker.signal(signal.SIGKILL)
                await worker.ended
        await self.reinforce()

    async def _strike(self) -> bool:
        holders = await self.budget.ledger.read(_holders)
        victims = [worker for worker in self.budget.fleet.alive if any(f":{worker.pid}:" in one for one in holders)]
        if not victims:
            return False
        victim = self._random.choice(victims)
        if not victim.signal(signal.SIGKILL):
            return False
        await asyncio.shield(victim.ended)  # it is the fleet's: cancelled with us, nobody would hear of any end again
        self.with_money += not victim.acted  # else its failpoint was quicker
        return True


def _holders(connection: Connection) -> list[str]:
    """The workers that hold money now, or died with it."""
    return list(connection.execute(select(reservation.c.worker).where(reservation.c.state == "held").distinct()).scalars())
