"""What is done to workers and server, and the proof that it landed while work was in flight."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from typing import get_args

from activities.running.failpoints import Point
from tests.chaos.fleet import Worker
from tests.chaos.scenario import Scenario
from tests.stack import PATIENCE, until

ELSEWHERE = ("file.", "load.", "message.", "support.")
POINTS: tuple[str, ...] = tuple(point for point in get_args(Point) if not point.startswith(ELSEWHERE))
"""Those that a delivery passes; those of files, loads, messages and cases are killed in `tests/activities`."""
OFTEN = {"model": 6, "tool": 4, "journal": 3, "workflow": 8}
"""A point of this kind acts after it was passed up to so many times; the others are passed a few times in a run."""
ZOMBIES = ("model.before_settle", "tool.before_result", "action.before_receipt", "model.before_completion")
EVERY_ZOMBIE = 9
FROZEN_SECONDS = 7.0
"""Longer than the heartbeat time-out of five seconds: by then the attempt has been given to another worker."""
UNREACHABLE = 6
"""A worker's exit code when it is started while the server is away; a supervisor starts it again."""
STRIKE_SECONDS = 2.5
"""Between two kills from the outside."""


class Faults:
    """Keeps armed workers at their number, and strikes from the outside as well. All choices come from one seed.

    Counts what landed: a worker that died by our signal while it held a running activity or an open workflow task.
    """

    def __init__(self, scenario: Scenario, seed: int, size: int) -> None:
        self.kills: Counter[str] = Counter()
        self.zombies: Counter[str] = Counter()
        self.last = 0.0
        """When the last fault hit, by the monotonic clock."""
        self.surprises: list[str] = []
        """Workers that ended and were not killed by us."""
        self._scenario, self._size = scenario, size
        self._random = random.Random(seed)
        self._next: list[str] = []
        self._seen: set[int] = set()
        self._waking: set[asyncio.Task[None]] = set()

    async def storm(self, kills: int) -> None:
        """Go on until so many kills have landed, of every kind and at every point, and frozen workers have come to life."""
        self.last = struck = time.monotonic()
        levels = [kills * part // 4 for part in (1, 2, 3)]
        while self.kills.total() < kills or levels or self.zombies.total() < 2 or not all(self.kills[one] for one in POINTS):
            await self._reinforce()
            await asyncio.sleep(0.05)
            self._count()
            if time.monotonic() - self.last > PATIENCE:
                raise AssertionError(f"{self.kills} landed, and then nothing more: {await self._scenario.why_open()}")
            if levels and self.kills.total() >= levels[0]:
                everybody = len(levels) == 2
                del levels[0]
                await self._kill_server(everybody=everybody)
            elif time.monotonic() - struck > STRIKE_SECONDS:
                await self._strike()
                struck = time.monotonic()
        await asyncio.gather(*self._waking)

    async def calm(self) -> list[int]:
        """Fresh workers, none of them armed, and SIGTERM for the others, busy as they are; the others' exit codes."""
        armed = self._scenario.fleet.alive
        for _ in range(self._size):
            await self._scenario.fleet.start()
        for worker in armed:
            worker.signal(signal.SIGTERM)
        while any(worker.alive for worker in armed):
            for worker in armed:
                if worker.frozen:  # it had begun to be a zombie
                    worker.signal(signal.SIGCONT)
            await asyncio.sleep(0.05)
        self._count()
        return [worker.ended.result() for worker in armed if not (worker.killed and worker.acted)]

    async def _reinforce(self) -> None:
        """As a supervisor would: a worker that is gone is replaced at once, and one that hangs, too."""
        missing = self._size - sum(not worker.frozen for worker in self._scenario.fleet.alive)
        for _ in range(missing):
            zombie = len(self._scenario.fleet.workers) % EVERY_ZOMBIE == EVERY_ZOMBIE - 1
            if zombie:
                point, first = self._random.choice(ZOMBIES), False
            else:
                point, first = self._point()
            hits = 1 if first else self._random.randint(1, OFTEN.get(point.partition(".")[0], 1))
            await self._scenario.fleet.start(point=point, action="stop" if zombie else "kill", hits=hits)

    def _point(self) -> tuple[str, bool]:
        """Where the next worker dies, and whether none has died there yet: chance leaves no point out, for those come first."""
        under_way = {worker.point for worker in self._scenario.fleet.alive if worker.action == "kill"}
        if due := [point for point in POINTS if not self.kills[point] and point not in under_way]:
            return self._random.choice(due), True
        if not self._next:
            self._next = self._random.sample(POINTS, len(POINTS))
        return self._next.pop(), False

    def _count(self) -> None:
        """Take notice of the workers that ended or froze by themselves."""
        for worker in self._scenario.fleet.workers:
            if worker.pid in self._seen or not (worker.ended.done() or (worker.action == "stop" and worker.frozen)):
                continue
            self._seen.add(worker.pid)
            if worker.alive:
                self._waking.add(asyncio.create_task(self._wake(worker)))
            elif worker.killed and worker.acted and worker.action == "kill":
                self._landed(worker.point)
            elif os.waitstatus_to_exitcode(worker.ended.result()) not in (0, UNREACHABLE):
                said = worker.log.read_text(errors="replace").splitlines()[-1:]
                self.surprises.append(f"{worker.log.stem} ended with {worker.ended.result()}: {said}")

    async def _wake(self, worker: Worker) -> None:
        await asyncio.sleep(FROZEN_SECONDS)
        if worker.signal(signal.SIGCONT):
            self.zombies[worker.point] += 1
            self.last = time.monotonic()

    async def _strike(self) -> None:
        """Kill one worker from the outside; left alone are those to become zombies, or to be the first to die somewhere."""
        others = [one for one in self._scenario.fleet.alive if one.acted or (one.action == "kill" and self.kills[one.point])]
        if others:
            await self._kill_busy(self._random.choice(others))

    async def _kill_busy(self, worker: Worker) -> None:
        """SIGKILL in the middle of work: the worker is stopped and looked at, and let go where it is idle."""
        if worker.frozen or not worker.signal(signal.SIGSTOP):
            return
        await until(lambda: _gone_or_frozen(worker), "the worker stops")
        if worker.alive and not await self._scenario.is_busy(worker.pid):
            worker.signal(signal.SIGCONT)
        elif worker.alive:
            self._seen.add(worker.pid)
            worker.signal(signal.SIGKILL)
            await worker.ended
            self._landed("from outside")

    async def _kill_server(self, *, everybody: bool) -> None:
        """SIGKILL the Temporal server while runs are open; once together with every worker."""
        if everybody:
            for worker in self._scenario.fleet.alive:
                await self._kill_busy(worker)
        assert self._scenario.open
        await self._scenario.world.kill_server()
        self._landed("the server and all workers" if everybody else "the server")

    def _landed(self, what: str) -> None:
        self.kills[what] += 1
        self.last = time.monotonic()


async def _gone_or_frozen(worker: Worker) -> bool | None:
    return True if worker.frozen or not worker.alive else None
