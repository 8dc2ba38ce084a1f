"""Many runs waiting at a gate on one worker: memory per run, and time from the decisions until all have ended."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any

from temporalio.client import Client, WorkflowHandle

from benchmarks.agent_files import write_script
from benchmarks.ours import BenchInput
from benchmarks.report import Say, ratios, spread, table
from benchmarks.stack import Stack, running
from benchmarks.usage import cpu_seconds, resident_mb
from commands.processes import Running

AT_ONCE = 50
"""Concurrent starts and decisions."""

Handle = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Sizes:
    """How many runs wait at the same time, and how often both systems are visited."""

    runs: int = 2000
    rounds: int = 1


@dataclass(frozen=True)
class Visit:
    """One system in one round."""

    parked_s: float
    kb_each: float
    finish_s: float
    worker_cpu_s: float
    errors: int


@dataclass(frozen=True)
class System:
    """How a worker is started, and how one run is started and decided."""

    name: str
    client: Client
    worker: Callable[[str], AbstractAsyncContextManager[Running]]
    start: Callable[[str], Awaitable[Handle]]
    decide: Callable[[Handle], Awaitable[None]]


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Start all runs, decide all, and wait for their end, plain and ours in turn. Prints the table and returns the figures."""
    found: dict[str, list[Visit]] = {}
    async with running("scripted") as stack:
        systems = (_plain(stack), _ours(stack))
        for number in range(sizes.rounds):
            for system in systems if number % 2 == 0 else reversed(systems):
                found.setdefault(system.name, []).append(await _visit(system, f"{system.name}-gates-{number}", sizes.runs))
                say(f"round {number + 1} of {sizes.rounds}: {system.name} done")
    say(_rendered(found, sizes.runs))
    return {"sizes": asdict(sizes), "rounds": {name: [asdict(one) for one in visits] for name, visits in found.items()}}


def _plain(stack: Stack) -> System:
    async def start(queue: str) -> Handle:
        return await stack.plain.start_workflow("PlainGate", "subject", id=stack.next_id(queue), task_queue=queue)

    async def decide(handle: Handle) -> None:
        await handle.signal("approve", "maria")

    def worker(queue: str) -> AbstractAsyncContextManager[Running]:
        # Unsandboxed like ours, so that what is compared is the gate.
        variables = stack.plainly(queue, "http://127.0.0.1:9/v1") | {"BENCH_SANDBOX": "false"}
        return stack.worker("plain", "benchmarks.plain_worker", variables)

    return System("plain", stack.plain, worker, start, decide)


def _ours(stack: Stack) -> System:
    script = {"BATON_SCRIPT": str(write_script(stack.state))}

    async def start(queue: str) -> Handle:
        asked = BenchInput(instruction="wait for a person")
        return await stack.ours.start_workflow("BenchGate", asked, id=stack.next_id(queue), task_queue=queue)

    async def decide(handle: Handle) -> None:
        await handle.signal("approve", {"gate": "plan-1", "by": "maria"})

    def worker(queue: str) -> AbstractAsyncContextManager[Running]:
        return stack.worker("baton", "benchmarks.baton_worker", stack.baton(queue, script))

    return System("ours", stack.ours, worker, start, decide)


async def _visit(system: System, queue: str, runs: int) -> Visit:
    async with system.worker(queue) as worker:
        warm = await system.start(queue)
        await _parked(warm)
        before, began = resident_mb(worker.pid), time.monotonic()
        handles = await each([queue] * runs, system.start)
        await each(handles, _parked)
        parked_s, grown = time.monotonic() - began, resident_mb(worker.pid) - before
        cpu, began = cpu_seconds(worker.pid), time.monotonic()
        await each(handles, system.decide)
        errors = sum(await each(handles, _failed))
        finish_s, cpu = time.monotonic() - began, cpu_seconds(worker.pid) - cpu
        await system.decide(warm)
        await warm.result()
    return Visit(parked_s, grown * 1024 / runs, finish_s, cpu, errors)


async def _parked(handle: Handle) -> None:
    """Wait until the run waits for a person, as it says itself."""
    async with asyncio.timeout(600):
        while not await handle.query("parked"):  # noqa: ASYNC110 - nobody is told when a run begins to wait
            await asyncio.sleep(0.05)


async def _failed(handle: Handle) -> bool:
    """True where a run did not end as it should."""
    async with asyncio.timeout(600):
        return bool(await handle.result() != "approve")


async def each(items: Any, function: Callable[[Any], Awaitable[Any]]) -> list[Any]:
    """The function on every item, some at a time; the results in order."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(item: Any) -> Any:
        async with room:
            return await function(item)

    return await asyncio.gather(*(one(item) for item in items))


def _rendered(found: dict[str, list[Visit]], runs: int) -> str:
    parts = (
        ("KB of worker memory per parked run", "kb_each", 0),
        ("s until all were parked", "parked_s", 1),
        ("s from the first decision until all had ended", "finish_s", 1),
        ("s of worker CPU for that", "worker_cpu_s", 1),
        ("runs that did not end as they should", "errors", 0),
    )
    rows = [[f"{runs} runs, median (min-max)", *found, "ratio"]]
    for heading, part, digits in parts:
        values = {name: [float(getattr(one, part)) for one in visits] for name, visits in found.items()}
        ratio = ratios(values["ours"], values["plain"])
        rows.append([heading, *(spread(one, digits) for one in values.values()), spread(ratio) if ratio else "-"])
    return table(rows)
