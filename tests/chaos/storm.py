"""Many deliveries and many faults at once, and how soon all of them move again when the faults are over."""

import asyncio
import itertools
import time
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ledger.tables import feed
from tests.chaos.faults import Faults
from tests.chaos.scenario import Scenario
from tests.stack import PATIENCE

WIDTH = 24
"""Deliveries at the same time, and fewer in a short storm. Most wait for a time-out that a killed worker has caused."""
WORKERS = 3


@dataclass
class Weather:
    """What a storm was like."""

    faults: Faults
    seconds: float
    open: int
    """Deliveries under way when the last fault hit."""
    drained: list[int]
    drained_in: float
    next_progress: float
    """Seconds from the last fault until the first of them moved, …"""
    all_moved: float
    """… until each had moved, …"""
    all_done: float
    """… and until each had ended."""

    def __str__(self) -> str:
        kills = ", ".join(f"{what} {times}" for what, times in sorted(self.faults.kills.items()))
        return (
            f"{self.faults.kills.total()} landed kills in {self.seconds:.0f} s ({kills}); "
            f"{self.faults.zombies.total()} zombies woke; {len(self.drained)} workers drained in {self.drained_in:.1f} s; "
            f"after the last fault {self.open} open runs: first progress {self.next_progress:.1f} s, "
            f"each has moved {self.all_moved:.1f} s, each has ended {self.all_done:.1f} s"
        )


async def storm(scenario: Scenario, kills: int, seed: int) -> Weather:
    """Deliver under faults until enough of them have landed, then let everything end in peace."""
    faults, numbers, over = Faults(scenario, seed, WORKERS), itertools.count(1), asyncio.Event()

    async def lane() -> None:
        while not over.is_set():
            await scenario.deliver(next(numbers))

    started = time.monotonic()
    async with asyncio.TaskGroup() as lanes:
        for _ in range(min(WIDTH, max(8, kills // 2))):
            lanes.create_task(lane())
        await faults.storm(kills)
        over.set()
        struck, left = faults.last, len(scenario.open)
        moving = asyncio.create_task(_movement(scenario, struck))
        calm = time.monotonic()
        drained = await faults.calm()
        drained_in = time.monotonic() - calm
        first, last = await moving
    return Weather(faults, struck - started, left, drained, drained_in, first, last, time.monotonic() - struck)


async def _movement(scenario: Scenario, since: float) -> tuple[float, float]:
    """Seconds until the first of the runs that are open now has a new line in its feed or has ended, and until each has."""
    before = await scenario.ledger.read(_newest)
    waiting, first = set(scenario.open), 0.0
    while waiting:
        now = await scenario.ledger.read(_newest)
        moved = {run for run in waiting if run not in scenario.open or now.get(run, 0) > before.get(run, 0)}
        if moved and not first:
            first = time.monotonic() - since
        waiting -= moved
        assert time.monotonic() - since < 4 * PATIENCE, f"{waiting} did not move: {await scenario.why_open()}"
        await asyncio.sleep(0.1)
    return first, time.monotonic() - since


def _newest(connection: Connection) -> dict[str, int]:
    """The newest line of each run family."""
    found: dict[str, int] = {}
    for run, seq in connection.execute(select(feed.c.run, func.max(feed.c.seq)).group_by(feed.c.run)):
        root = run.partition(".")[0]
        found[root] = max(found.get(root, 0), seq)
    return found
