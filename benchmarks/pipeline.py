"""Four stages with one model call each, compared with plain Temporal: throughput, CPU, memory, history."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from temporalio.client import WorkflowHandle

from benchmarks.agent_files import INSTRUCTION, write_script
from benchmarks.ours import BenchInput
from benchmarks.report import Say, ratios, spread, table
from benchmarks.stack import Stack, history_of, model_endpoint, running, trying
from benchmarks.usage import Meter, peak_mb
from commands.processes import Running
from search_attributes import start_attributes
from tests.wire.server import control

BASELINE = "plain"
OWNER = "operator"
"""As policy.toml names it."""


@dataclass(frozen=True)
class Sizes:
    """The loads: concurrent runs, warm-up runs, measured runs."""

    rounds: int = 3
    loads: tuple[tuple[int, int, int], ...] = ((1, 2, 36), (10, 10, 90), (50, 50, 150))
    call_ms: float = 0
    """How long the model takes for each call."""

    def up_to_200(self, call_ms: float) -> "Sizes":
        """The same for a model that takes its time, and with 200 callers at the end. Slow calls are made less often."""
        often = max(1, min(36, int(4000 / (call_ms or 1) / 4)))
        slow = call_ms >= 1000
        loads = ((1, 2, often), (10, 10, 10 * min(often, 9)), (50, 50, 50 * min(often, 3)), (200, 50, 200 * min(often, 2)))
        without_warming = tuple((width, 0, count) for width, _, count in loads[1:])
        return replace(self, loads=without_warming if slow else loads, call_ms=call_ms)


@dataclass(frozen=True)
class Measure:
    """One column: its name in the results, its heading, how it is printed, and what we aim at against the baseline."""

    name: str
    heading: str
    digits: int
    aim: str = ""


MEASURES = (
    Measure("rps_1", "runs/s at 1", 1),
    Measure("rps_10", "runs/s at 10", 1),
    Measure("rps_50", "runs/s at 50", 1, ">= 1.0"),
    Measure("rps_200", "runs/s at 200", 1),
    Measure("p50_ms", "p50 ms at 1", 0, "<= 1.0"),
    Measure("worker_cpu_ms", "worker CPU ms/run", 1, "<= 1.15"),
    Measure("server_cpu_ms", "server CPU ms/run", 1),
    Measure("all_cpu_ms", "both CPU ms/run", 1, "<= 1.0"),
    Measure("peak_mb", "worker peak MB", 0, "<= 1.2"),
    Measure("first_s", "start to first result s", 2, "<= 1.3"),
    Measure("events", "events/run", 0, "29 of them"),
    Measure("bytes", "history bytes/run", 0, "<= 1.45"),
)

Start = Callable[[], Awaitable[WorkflowHandle[Any, Any]]]
Rounds = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class System:
    """A measured system: how its worker is started for a task queue, and how one run is started there."""

    name: str
    worker: Callable[[str], AbstractAsyncContextManager[Running]]
    start: Callable[[str], Awaitable[WorkflowHandle[Any, Any]]]


async def run(sizes: Sizes, say: Say, trials: tuple[Path, ...] = (), profile: Path | None = None) -> dict[str, Any]:
    """Visit every system once per round, print the tables and return the figures.

    `trials` are Python files that Baton's worker runs before it starts; each becomes a system of its own. `profile` is a
    folder in which every worker stores a profile; ignore the times then.
    """
    rounds: Rounds = {}
    async with running("openai") as stack, model_endpoint(stack, write_script(stack.state)) as url:
        if sizes.call_ms:
            await asyncio.to_thread(control, url.removesuffix("/v1"), fault="slow", delay_s=sizes.call_ms / 1000)
        systems = [plain(stack, url, profile), _ours(stack, url, None, profile)]
        systems += [_ours(stack, url, trial, profile) for trial in trials]
        for number in range(sizes.rounds):
            for system in systems if number % 2 == 0 else reversed(systems):
                found = await visit(stack, system, f"{system.name}-{number}", sizes)
                rounds.setdefault(system.name, []).append(found)
                say(f"round {number + 1} of {sizes.rounds}: {system.name} worked for {found['seconds']:.0f} s")
    say(rendered(rounds))
    return {"sizes": asdict(sizes), "rounds": rounds, "ratios": ratios_to(rounds)}


def plain(stack: Stack, url: str, profile: Path | None = None) -> System:
    """The baseline's worker, and its four stages."""

    def worker(queue: str) -> AbstractAsyncContextManager[Running]:
        return stack.worker("plain", "benchmarks.plain_worker", stack.plainly(queue, url) | _profiled(profile, queue))

    async def start(queue: str) -> WorkflowHandle[Any, Any]:
        return await stack.plain.start_workflow("PlainStages", INSTRUCTION, id=stack.next_id(queue), task_queue=queue)

    return System(BASELINE, worker, start)


def _ours(stack: Stack, url: str, trial: Path | None, profile: Path | None) -> System:
    return baton(stack, trial.stem if trial else "ours", {"BATON_OPENAI_BASE_URL": url} | trying(trial), profile)


def baton(stack: Stack, name: str, more: Mapping[str, str], profile: Path | None = None) -> System:
    """Our worker with these settings, and our four stages."""

    def worker(queue: str) -> AbstractAsyncContextManager[Running]:
        return stack.worker("baton", "benchmarks.baton_worker", stack.baton(queue, more) | _profiled(profile, queue))

    async def start(queue: str) -> WorkflowHandle[Any, Any]:
        asked = BenchInput(instruction=INSTRUCTION)
        return await stack.ours.start_workflow(
            "BenchStages",
            asked,
            id=stack.next_id(queue),
            task_queue=queue,
            search_attributes=start_attributes(asked.project, OWNER),
        )

    return System(name, worker, start)


def _profiled(folder: Path | None, queue: str) -> dict[str, str]:
    return {} if folder is None else {"BENCH_PROFILE": str(folder.absolute() / f"{queue}.txt")}


async def visit(stack: Stack, system: System, queue: str, sizes: Sizes) -> dict[str, float]:
    """Visit one system in one round, with a fresh worker: first result, then every load."""
    found: dict[str, float] = {}
    spawned = time.monotonic()
    async with system.worker(queue) as worker:
        first = await system.start(queue)
        await _result(first)
        found["first_s"] = time.monotonic() - spawned
        for width, warm, count in sizes.loads:
            # CPU is that of the last load, the widest one.
            await _load(lambda: system.start(queue), width, warm)
            meter = Meter(worker.pid, stack.server.pid)
            latencies = await _load(lambda: system.start(queue), width, count)
            load = meter.load()
            found[f"rps_{width}"] = count / load.wall
            if width == 1:
                found["p50_ms"] = median(latencies) * 1000
        found["worker_cpu_ms"], found["server_cpu_ms"] = load.worker / count * 1000, load.server / count * 1000
        found["all_cpu_ms"] = found["worker_cpu_ms"] + found["server_cpu_ms"]
        found["peak_mb"] = peak_mb(worker.pid)
        found["events"], found["bytes"] = await history_of(first)
        found["seconds"] = time.monotonic() - spawned
    return found


async def _load(start: Callable[[], Awaitable[WorkflowHandle[Any, Any]]], width: int, count: int) -> list[float]:
    """Execute `count` runs, `width` of them concurrently. Returns the seconds that each took."""
    left = iter(range(count))
    latencies: list[float] = []

    async def one_after_the_other() -> None:
        for _ in left:
            began = time.monotonic()
            await _result(await start())
            latencies.append(time.monotonic() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(min(width, count))))
    return latencies


async def _result(handle: WorkflowHandle[Any, Any]) -> None:
    async with asyncio.timeout(120):
        await handle.result()


def ratios_to(rounds: Rounds, baseline: str = BASELINE) -> dict[str, dict[str, list[float]]]:
    """Each measure of each system, divided by the baseline's of the same round."""
    first = rounds[baseline]
    return {
        name: {
            one.name: ratios([found[one.name] for found in visits], [found[one.name] for found in first])
            for one in MEASURES
            if one.name in first[0]
        }
        for name, visits in rounds.items()
        if name != baseline
    }


def rendered(rounds: Rounds, baseline: str = BASELINE, aims: Mapping[str, str] | None = None) -> str:
    """Both tables: the figures, and their ratios to the baseline with our targets."""
    return f"{_absolute(rounds, baseline)}\n\n{_relative(rounds, baseline, aims)}"


def _absolute(rounds: Rounds, baseline: str) -> str:
    shown = [one for one in MEASURES if one.name in rounds[baseline][0]]
    rows = [["median (min-max)", *rounds]]
    rows += [
        [one.heading, *(spread((found[one.name] for found in visits), one.digits) for visits in rounds.values())]
        for one in shown
    ]
    return table(rows)


def _relative(rounds: Rounds, baseline: str, aims: Mapping[str, str] | None) -> str:
    found = ratios_to(rounds, baseline)
    rows = [[f"ratio to {baseline}, same round", *found, "aim"]]
    rows += [
        [
            one.heading,
            *(spread(values[one.name]) for values in found.values()),
            one.aim if aims is None else aims.get(one.name, ""),
        ]
        for one in MEASURES
        if all(one.name in values for values in found.values())
    ]
    return table(rows)
