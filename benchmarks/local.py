"""Activities of both kinds for steps of 5 ms to 30 s: throughput, CPU, history, who waits meanwhile, what a kill repeats."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from temporalio.client import WorkflowHandle

from benchmarks.local_worker import STEPS, Asked, Kind, Steps
from benchmarks.report import Say, spread, table
from benchmarks.stack import Stack, history_of, running
from benchmarks.usage import Meter
from commands.processes import Running

MEASURES = {
    "rps": ("runs/s", 2),
    "worker_cpu_ms": ("worker CPU ms/run", 1),
    "server_cpu_ms": ("server CPU ms/run", 1),
    "events": ("events/run", 0),
    "bytes": ("history bytes/run", 0),
    "heard_s": ("an update waits s", 2),
    "killed_s": ("killed: s until done", 1),
    "repeated": ("killed: steps begun again", 0),
}
"""What is measured for each kind of activity and each length of a step: its heading, and its digits."""


@dataclass(frozen=True)
class Sizes:
    """Lengths of a step in seconds, with runs at a time and runs in all."""

    rounds: int = 1
    loads: tuple[tuple[float, int, int], ...] = ((0.005, 20, 200), (0.5, 20, 60), (5, 20, 20), (30, 20, 20))


Found = dict[tuple[str, float], list[dict[str, float]]]


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Visit both kinds for each length, round by round. Prints the table and returns the figures."""
    found: Found = defaultdict(list)
    async with running("scripted") as stack:
        for number in range(sizes.rounds):
            for seconds, width, count in sizes.loads:
                for kind in get_args(Kind):
                    found[kind, seconds].append(await _visit(stack, kind, seconds, width, count))
                say(f"round {number + 1} of {sizes.rounds}: steps of {seconds:g} s are done")
    say(_rendered(found))
    rows = [{"kind": kind, "seconds": seconds, "rounds": all_} for (kind, seconds), all_ in found.items()]
    return {"sizes": asdict(sizes), "steps": STEPS, "figures": rows}


async def _visit(stack: Stack, kind: Kind, seconds: float, width: int, count: int) -> dict[str, float]:
    queue = stack.next_id(f"local-{kind}")
    async with _worker(stack, queue) as worker:
        first = await _start(stack, queue, Asked(kind, seconds, str(_book(stack))))
        await first.result()
        events, size = await history_of(first)
        heard = await _heard(stack, queue, kind, seconds)
        meter, left = Meter(worker.pid, stack.server.pid), iter(range(count))

        async def one_after_the_other() -> None:
            for _ in left:
                await (await _start(stack, queue, Asked(kind, seconds, str(_book(stack))))).result()

        await asyncio.gather(*(one_after_the_other() for _ in range(width)))
        load = meter.load()
    killed, repeated = await _killed(stack, kind, seconds)
    cpu = {"worker_cpu_ms": load.worker / count * 1000, "server_cpu_ms": load.server / count * 1000}
    return {
        "rps": count / load.wall,
        **cpu,
        "events": events,
        "bytes": size,
        "heard_s": heard,
        "killed_s": killed,
        "repeated": repeated,
    }


async def _heard(stack: Stack, queue: str, kind: Kind, seconds: float) -> float:
    """How long an update waits that is sent when the first step has just begun."""
    book = _book(stack)
    run = await _start(stack, queue, Asked(kind, seconds, str(book), listens=True))
    await _begun(book, 1)
    sent = time.monotonic()
    await run.execute_update(Steps.heard)
    waited = time.monotonic() - sent
    await run.result()
    return waited


async def _killed(stack: Stack, kind: Kind, seconds: float) -> tuple[float, int]:
    """From the kill in the middle of the last step: seconds until the run has ended, and steps that began again."""
    queue, book = stack.next_id("killed"), _book(stack)
    async with _worker(stack, queue):
        run = await _start(stack, queue, Asked(kind, seconds, str(book), dies=True))
        await _begun(book, STEPS)
        died = time.monotonic()
    async with _worker(stack, queue):
        await run.result()
    return time.monotonic() - died, len(book.read_text().split()) - STEPS


@asynccontextmanager
async def _worker(stack: Stack, queue: str) -> AsyncIterator[Running]:
    async with stack.worker("steps", "benchmarks.local_worker", {"BENCH_TASK_QUEUE": queue}) as worker:
        yield worker


def _book(stack: Stack) -> Path:
    return stack.state / stack.next_id("book")


async def _start(stack: Stack, queue: str, asked: Asked) -> WorkflowHandle[Any, Any]:
    return await stack.plain.start_workflow(Steps.run, asked, id=stack.next_id("steps"), task_queue=queue)


async def _begun(book: Path, number: int) -> None:
    async with asyncio.timeout(300):
        while True:
            if book.exists() and str(number) in book.read_text().split():
                return
            await asyncio.sleep(0.005)


def _rendered(found: Found) -> str:
    rows = [["steps of", "activity", *(heading for heading, _ in MEASURES.values())]]
    for (kind, seconds), all_ in found.items():
        columns = (spread((one[name] for one in all_), digits) for name, (_, digits) in MEASURES.items())
        rows.append([f"{seconds:g} s", kind, *columns])
    return table(rows)
