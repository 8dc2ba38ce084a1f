"""Many runs parked at the month's ceiling, and one raise: time until all resume, and what waiting costs a worker."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from temporalio.client import WorkflowHandle

from benchmarks.agent_files import INSTRUCTION, write_script
from benchmarks.gates import each
from benchmarks.ours import BenchInput
from benchmarks.report import Say, spread, table
from benchmarks.stack import Stack, model_endpoint, running
from benchmarks.usage import cpu_seconds, peak_mb, resident_mb
from ledger import tables
from ledger.db import Ledger
from ledger.migrate import upgrade

LITTLE, ENOUGH = "0.000001", "1000"
PATIENCE = 900
LOOK = 0.05

Handle = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Sizes:
    """How many runs wait, in how many rounds, and whether to include runs that the command cannot reach."""

    runs: int = 500
    rounds: int = 1
    untold: bool = False


@dataclass(frozen=True)
class Visit:
    """One round. Seconds count from the command that raises the ceiling."""

    parked_s: float
    kb_each: float
    raised_s: float
    first_s: float
    moved_s: float
    ended_s: float
    worker_cpu_s: float
    peak_mb: float
    errors: int


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Park all runs, raise the ceiling once, and wait for their end. Prints the table and returns the figures."""
    found: dict[str, list[Visit]] = {}
    for number in range(sizes.rounds):
        for name in ("nudged", "untold") if sizes.untold else ("nudged",):
            # A server and a ledger of its own: a month has one ceiling.
            async with running("openai") as stack, model_endpoint(stack, write_script(stack.state)) as url:
                found.setdefault(name, []).append(await _visit(stack, url, sizes.runs, told=name == "nudged"))
            say(f"round {number + 1} of {sizes.rounds}: {name} done")
    say(_rendered(found, sizes.runs))
    return {"sizes": asdict(sizes), "rounds": {name: [asdict(one) for one in visits] for name, visits in found.items()}}


async def _visit(stack: Stack, url: str, runs: int, *, told: bool) -> Visit:
    queue = "parked"
    variables = stack.baton(queue, {"BATON_OPENAI_BASE_URL": url, "BATON_CEILINGS__MONTH_USD": LITTLE})
    ledger = Ledger(f"sqlite:///{stack.state / 'ledger.db'}", stack.state / "artifacts")
    upgrade(ledger)
    async with stack.worker("baton", "benchmarks.baton_worker", variables) as worker:
        handles = await each([queue] * runs, lambda one: _start(stack, one))
        try:
            await _when(ledger, lambda now: now.admitted == runs)
            before, began = resident_mb(worker.pid), time.monotonic()
            await each(handles, lambda handle: handle.signal("go"))
            await _when(ledger, lambda now: now.parked == runs)
            parked_s, grown = time.monotonic() - began, resident_mb(worker.pid) - before
            cpu, began = cpu_seconds(worker.pid), time.monotonic()
            raising = asyncio.create_task(_raise(variables, stack, told=told))
            first_s = await _when(ledger, _one_works) - began
            moved_s = await _when(ledger, _none_waits) - began
            errors = sum(await each(handles, _failed))
            ended_s, cpu = time.monotonic() - began, cpu_seconds(worker.pid) - cpu
            raised_s = await raising - began
        finally:
            ledger.close()
        each_kb, peak = grown * 1024 / runs, peak_mb(worker.pid)
        return Visit(parked_s, each_kb, raised_s, first_s, moved_s, ended_s, cpu, peak, errors)


async def _start(stack: Stack, queue: str) -> Handle:
    asked = BenchInput(instruction=INSTRUCTION)
    return await stack.ours.start_workflow("BenchPaid", asked, id=stack.next_id(queue), task_queue=queue)


async def _raise(variables: dict[str, str], stack: Stack, *, told: bool) -> float:
    """Run `baton budget raise month`; returns when it ended. Not `told`: Temporal is made unreachable for it."""
    address = stack.ports.address if told else "127.0.0.1:9"
    program = Path(sys.executable).parent / "baton"
    process = await asyncio.create_subprocess_exec(
        *(str(program), "budget", "raise", "month", "--to", ENOUGH, "-m", "go on", "--by", "operator"),
        env={"PATH": os.defpath, **variables, "TEMPORAL_ADDRESS": address},
        stdout=asyncio.subprocess.DEVNULL,
    )
    code = await process.wait()
    assert code == 0, f"`baton budget raise` ended with {code}"
    return time.monotonic()


@dataclass(frozen=True)
class _Now:
    admitted: int
    parked: int
    waiting: int
    answered: int


def _look(connection: Connection) -> _Now:
    by_state = select(tables.run.c.state, func.count()).group_by(tables.run.c.state)
    states = {str(state): int(count) for state, count in connection.execute(by_state)}
    waiting = select(func.count()).select_from(tables.trip).where(tables.trip.c.closed_at.is_(None))
    answered = select(func.count()).select_from(tables.turn)
    counts = [int(connection.execute(query).scalar_one()) for query in (waiting, answered)]
    return _Now(sum(states.values()), states.get("parked", 0), *counts)


def _one_works(now: _Now) -> bool:
    return now.answered > 0


def _none_waits(now: _Now) -> bool:
    return now.waiting == 0


async def _when(ledger: Ledger, condition: Callable[[_Now], bool]) -> float:
    """The time at which the ledger first met the condition."""
    async with asyncio.timeout(PATIENCE):
        while not condition(await ledger.read(_look)):  # noqa: ASYNC110 - there is no event when a run starts to wait
            await asyncio.sleep(LOOK)
    return time.monotonic()


async def _failed(handle: Handle) -> bool:
    async with asyncio.timeout(PATIENCE):
        return bool(await handle.result() != "done")


def _rendered(found: dict[str, list[Visit]], runs: int) -> str:
    parts = (
        ("s until all were parked", "parked_s", 1),
        ("KB of worker memory per parked run", "kb_each", 0),
        ("s until the raising command had ended", "raised_s", 1),
        ("s until the first call was answered", "first_s", 1),
        ("s until no run waited any more", "moved_s", 1),
        ("s until all had ended", "ended_s", 1),
        ("s of worker CPU for that", "worker_cpu_s", 1),
        ("MB of worker memory at its peak", "peak_mb", 0),
        ("runs that did not end as they should", "errors", 0),
    )
    rows = [[f"{runs} runs, median (min-max)", *found]]
    for heading, part, digits in parts:
        rows.append([heading, *(spread((float(getattr(one, part)) for one in visits), digits) for visits in found.values())])
    return table(rows)
