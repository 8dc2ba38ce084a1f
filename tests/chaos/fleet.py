"""Worker processes from the outside: started, watched, killed, stopped and drained by their pid."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from commands.server import ROOT
from tests import children


@dataclass
class Worker:
    """One worker process. Its `marker` is there as soon as its failpoint has acted."""

    pid: int
    point: str
    action: str
    marker: Path
    log: Path
    ended: asyncio.Future[int]
    started: float = field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        """True until the system has told its parent that it ended."""
        return not self.ended.done()

    @property
    def ready(self) -> bool:
        """True once it polls its queue, as it says itself."""
        return self.log.exists() and b"worker_ready" in self.log.read_bytes()

    @property
    def killed(self) -> bool:
        """True if it died by SIGKILL: ours, for nobody else sends it one."""
        return self.ended.done() and os.WIFSIGNALED(self.ended.result()) and os.WTERMSIG(self.ended.result()) == signal.SIGKILL

    @property
    def acted(self) -> bool:
        """True if its failpoint has acted."""
        return self.marker.exists()

    @property
    def frozen(self) -> bool:
        """True while it is stopped."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal. False if it has ended: its pid could be somebody else's by now."""
        if not self.alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False  # it has just ended, and that has not been read yet
        return True


class Zygote:
    """`async with Zygote(folder) as zygote`: forks workers within milliseconds; none outlives the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._pids: asyncio.Queue[int] = asyncio.Queue()
        self._one_by_one = asyncio.Lock()
        self._started = AsyncExitStack()

    async def __aenter__(self) -> Self:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "TEMPORAL_"))}
        self._process = await self._started.enter_async_context(
            children.started_here(
                *(sys.executable, "-m", "tests.chaos.zygote"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=clean | {"PYTHONPATH": str(ROOT)},
                cwd=self._folder,
            )
        )
        await self._said()
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening
        await self._started.aclose()

    async def fork(self, variables: Mapping[str, str], log: Path, variant: str) -> tuple[int, asyncio.Future[int]]:
        """Start a worker; its pid, and its exit status once there is one."""
        asked = asyncio.create_task(self._forked({"variables": dict(variables), "log": str(log), "variant": variant}))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            # What was asked for is forked all the same: left unread, its pid would be taken for that of the next worker.
            pid, _ = await asked
            os.kill(pid, signal.SIGKILL)
            raise

    async def _forked(self, asked: dict[str, Any]) -> tuple[int, asyncio.Future[int]]:
        assert self._process.stdin is not None
        async with self._one_by_one:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            pid = await self._pids.get()
        return pid, self._ends[pid]

    async def _listen(self) -> None:
        while said := await self._said():
            if "status" in said:
                self._ends[said["pid"]].set_result(said["status"])
            else:
                self._ends[said["pid"]] = asyncio.get_running_loop().create_future()
                self._pids.put_nowait(said["pid"])

    async def _said(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {}
        return found


class Fleet:
    """The workers of one scenario."""

    def __init__(self, zygote: Zygote, folder: Path, variables: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.workers: list[Worker] = []
        """All that were ever started, oldest first."""
        self._zygote = zygote
        self._begun = 0
        self.variables = dict(variables)

    @property
    def alive(self) -> list[Worker]:
        """Those that run, oldest first."""
        return [worker for worker in self.workers if worker.alive]

    async def start(self, *, variant: str = "shipped", point: str = "", action: str = "kill", hits: int = 1) -> Worker:
        """A worker, armed with a failpoint where one is named. It may not be ready yet."""
        self._begun += 1  # at once: two may be started at the same time, and each has a log and a marker of its own
        number = self._begun
        log, marker = self.folder / f"worker-{number}.log", self.folder / f"worker-{number}.marker"
        armed = {"BATON_FAILPOINT": f"{point} {action} {hits} {marker}"} if point else {}
        pid, ended = await self._zygote.fork(self.variables | armed, log, variant)
        self.workers.append(worker := Worker(pid, point, action, marker, log, ended))
        return worker

    async def end(self) -> list[int]:
        """Drain all that still run, the frozen ones too; their exit codes."""
        last = self.alive
        for worker in last:
            worker.signal(signal.SIGTERM)
            worker.signal(signal.SIGCONT)
        return [os.waitstatus_to_exitcode(await worker.ended) for worker in last]

    def kill(self) -> None:
        """End all that still run, at once."""
        for worker in self.alive:
            worker.signal(signal.SIGKILL)
