"""What a model call asks of the ledger: its statements and commits, and what sharing a commit does to many callers."""

import asyncio
import os
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from temporalio.testing import ActivityEnvironment

from activities.running.pausing import step_of
from activities.runs.journal import Journal
from benchmarks.agent_files import INSTRUCTION
from benchmarks.model_call import ModelCall
from benchmarks.ours import STAGES, BenchTask
from benchmarks.report import Say, table
from contracts.journal import BeginRun
from contracts.runs import WHEN_WRITTEN, Note, RunChange, RunRef
from contracts.turns import CallModel
from ledger import pauses
from ledger.db import Ledger
from ledger.migrate import upgrade

CALLERS = (1, 10, 50)
"""How many runs call at the same time."""


@dataclass(frozen=True)
class Sizes:
    """Model calls for each number of callers."""

    calls: int = 1000


class _Journal(Journal):
    """Knows its namespace, for which the worker's asks Temporal."""

    async def _namespace(self) -> str:
        return "bench"


def _silent(_: str) -> None:
    return None


class Stages:
    """The four stages of a run, one model call each, as the workflow asks for them; the model answers at once."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self._call = ModelCall(ledger, folder)
        self._journal = _Journal(ledger, self._call.admission)

    async def run(self, name: str, told: Callable[[str], object] = _silent) -> None:
        """One run. `told` is called with the name of each stage once its call is over, and with "begin" before the first."""
        ref = RunRef(trace=f"trace-{name}", workflow_id=f"run-{name}", run_id=f"first-{name}")
        begins = BeginRun(
            run=ref,
            run_id=ref.run_id,
            pipeline="BenchStages",
            input={},
            agents=tuple(agent for _, agent in STAGES),
            next="the first stage",
            owner="operator",
            request_key=None,
            ceiling_micros=None,
            gates=("clarify",),
        )
        await ActivityEnvironment().run(self._journal.begin_run, begins)
        told("begin")
        before: tuple[str, ...] = ()
        for number, (stage, agent) in enumerate(STAGES, 1):
            before = await self._stage(ref, number, stage, agent, before)
            told(stage)

    async def _stage(self, ref: RunRef, number: int, stage: str, agent: str, before: tuple[str, ...]) -> tuple[str, ...]:
        line = Note(key=f"{ref.trace}/{number}", at=WHEN_WRITTEN, stage=stage, did="it is done", why="so", next=stage)
        request: Any = CallModel(
            run=ref.model_copy(update={"path": f"{stage}/1"}),
            name=agent,
            task=BenchTask(instruction=INSTRUCTION).stored().decode(),
            inputs=before,
            notes=(line,) if before else (),
            change=RunChange(state="working", stage=stage, next=f"{agent} answers", nth=number),
        )
        # As the worker does before each step.
        await self.ledger.read(pauses.holding, step_of(request))
        turn = await ActivityEnvironment().run(self._call.models.call_model, request)
        assert turn.answered is not None, "the model answers at once"
        return (turn.answered.id,)


async def statements(ledger: Ledger, folder: Path) -> dict[str, list[str]]:
    """The statements that a run sends to a SQLite ledger, in order, by stage; that of a run before it is not counted."""
    seen: list[str] = []
    found: dict[str, list[str]] = {}

    def sent(statement: str) -> None:
        # A statement that fires triggers is told once more for each of theirs.
        if not seen or statement != seen[-1]:
            seen.append(statement)

    @event.listens_for(ledger.engine, "checkout")
    def _trace(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.set_trace_callback(sent)

    def told(stage: str) -> None:
        found[stage] = [" ".join(one.split()) for one in seen]
        seen.clear()

    stages = Stages(ledger, folder)
    await stages.run("warm", told)
    seen.clear()
    await stages.run("counted", told)
    return found


def kinds(sent: Sequence[str]) -> Counter[str]:
    """How many statements there are of each kind, such as SELECT."""
    return Counter(one.split(None, 1)[0].upper() for one in sent)


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Count one run's statements, then let 1, 10 and 50 runs call at once. Prints both tables and returns the figures."""
    folder = Path(tempfile.mkdtemp(prefix="baton-bench-"))
    try:
        counted = await _on(folder / "counted", statements)
        say(_counts(counted))
        loads = {callers: await _load(folder / str(callers), callers, sizes.calls) for callers in CALLERS}
        say("\n" + _loads(loads))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"sizes": vars(sizes), "statements": counted, "loads": loads}


async def _on(folder: Path, what: Callable[[Ledger, Path], Any]) -> Any:
    folder.mkdir()
    ledger = Ledger(f"sqlite:///{folder}/ledger.db", folder / "artifacts")
    try:
        upgrade(ledger)
        return await what(ledger, folder)
    finally:
        ledger.close()


async def _load(folder: Path, callers: int, calls: int) -> dict[str, float]:
    async def measured(ledger: Ledger, folder: Path) -> dict[str, float]:
        commits = 0

        @event.listens_for(ledger.engine, "commit")
        def _count(_: Connection) -> None:
            nonlocal commits
            commits += 1

        stages = Stages(ledger, folder)
        await stages.run("warm")
        left = iter(range(max(callers, calls // len(STAGES))))

        async def caller() -> None:
            for number in left:
                await stages.run(str(number))

        runs = max(callers, calls // len(STAGES))
        commits, before, began = 0, _used(), time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        seconds, made = time.perf_counter() - began, runs * len(STAGES)
        spent = {name: (now - before[name]) / made for name, now in _used().items()}
        return {"calls_s": made / seconds, "commits": commits / made} | spent

    found: dict[str, float] = await _on(folder, measured)
    return found


def _used() -> dict[str, float]:
    """CPU in milliseconds, and write calls and bytes of this process as the kernel counts them."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    said = dict(line.split(": ") for line in Path(f"/proc/{os.getpid()}/io").read_text().splitlines())
    return {"cpu_ms": (own.ru_utime + own.ru_stime) * 1000, "writes": float(said["syscw"]), "bytes": float(said["wchar"])}


def _counts(counted: dict[str, list[str]]) -> str:
    names = ("BEGIN", "SELECT", "INSERT", "UPDATE", "COMMIT")
    rows = [["statements", "all", *names]]
    rows += [[stage, str(len(sent)), *(str(kinds(sent)[name]) for name in names)] for stage, sent in counted.items()]
    return table(rows)


def _loads(loads: dict[int, dict[str, float]]) -> str:
    columns = ("calls_s", "commits", "cpu_ms", "writes", "bytes")
    rows = [["callers", "calls/s", "commits/call", "CPU ms/call", "writes/call", "bytes/call"]]
    rows += [[str(callers), *(f"{found[name]:,.2f}" for name in columns)] for callers, found in loads.items()]
    return table(rows)
