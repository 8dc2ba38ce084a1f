"""Kills workers at random, and counts those that held money when they died."""

import asyncio
import random
import signal
import time
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from contracts.errors import LedgerUnavailable
from ledger.tables import reservation
from tests.chaos.budget import Budget
from tests.chaos.fleet import Worker

POINTS = ("model.before_call", "model.before_settle", "model.before_completion", "")
STRIKE_SECONDS = 2.5


@dataclass
class Killer:
    """Keeps so many workers running; every second one is armed. All choices come from one seed."""

    budget: Budget
    seed: int
    size: int
    variant: str
    armed: bool = True
    struck: int = 0
    """Kills from the outside, …"""
    with_money: int = 0
    """… those of them that hit a worker with calls under way."""
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def acted(self) -> int:
        """Kills by failpoints, in the middle of a call."""
        return sum(worker.killed and worker.acted for worker in self.budget.fleet.workers)

    def __str__(self) -> str:
        return (
            f"{self.acted} workers killed in a call and {self.struck} from outside, {self.with_money} of these with money held"
        )

    async def run(self) -> None:
        """Replace who is gone, and strike, until cancelled."""
        last = time.monotonic()
        while True:
            await self.reinforce()
            await asyncio.sleep(0.05)
            if time.monotonic() - last > STRIKE_SECONDS and await self._strike():
                last = time.monotonic()

    async def reinforce(self) -> None:
        """As a supervisor would: a worker that is gone is replaced at once."""
        for _ in range(self.size - len(self.budget.fleet.alive)):
            point = self._random.choice(POINTS) if self.armed else ""
            await self.budget.fleet.start(variant=self.variant, point=point, hits=self._random.randint(1, 25))

    async def disarm(self) -> None:
        """Kill those that would still kill themselves, and start others."""
        self.armed = False
        for worker in self.budget.fleet.alive:
            if worker.point:
                worker.signal(signal.SIGKILL)
                await worker.ended
        await self.reinforce()

    async def _strike(self) -> bool:
        ready = [worker for worker in self.budget.fleet.alive if worker.ready]
        if not ready:
            return False
        victim = self._random.choice(ready)
        try:
            held = await self.budget.ledger.read(_held_by, victim)
        except LedgerUnavailable:
            held = 0
        if not victim.signal(signal.SIGKILL):
            return False
        await asyncio.shield(victim.ended)  # it is the fleet's: cancelled with us, nobody would hear of any end again
        self.struck += 1
        self.with_money += held > 0
        return True


def _held_by(connection: Connection, worker: Worker) -> int:
    query = select(func.count()).where(reservation.c.state == "held", reservation.c.worker.contains(f":{worker.pid}:"))
    return int(connection.execute(query).scalar_one())
