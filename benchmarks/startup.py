"""From a start until something is there: commands that read, beside what they import, and a worker, beside plain Temporal's."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from benchmarks.agent_files import write_script
from benchmarks.pipeline import BASELINE, Rounds, System, baton, plain
from benchmarks.report import Say, ratios, spread, table
from benchmarks.stack import ROOT, Stack, model_endpoint, running
from benchmarks.usage import cpu_seconds
from benchmarks.year import Year, fill
from ledger.db import Ledger
from ledger.migrate import upgrade

RUN = "deliver-000000"
"""A run that has ended."""

IMPORTS = {
    "python": "pass",
    "import typer": "import typer",
    "import pydantic": "import pydantic.main, pydantic.fields",
    "import sqlalchemy": "import sqlalchemy, sqlalchemy.dialects.sqlite",
    "import all but temporalio": "import typer, pydantic.main, pydantic.fields, sqlalchemy, sqlalchemy.dialects.sqlite",
    "import temporalio.client": "import temporalio.client",
}
"""What commands load that is not ours, each in a process of its own."""

COMMANDS = {
    "--version": ["--version"],
    "--help": ["--help"],
    "spend": ["spend"],
    "feed": ["feed"],
    "show": ["show", RUN],
    "status": ["status"],
    "runs": ["runs"],
}
"""With a ledger, and a server that has none of its runs: `runs` always asks it, the others about open runs alone."""

LAUNCH = f"import sys; sys.path.insert(0, {str(ROOT / 'launch')!r}); import baton_launch; baton_launch.main()"


@dataclass(frozen=True)
class Sizes:
    """How often everything is started, and how many runs the ledger has."""

    rounds: int = 10
    runs: int = 30


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Start everything in turn, print both tables and return the figures."""
    cpu: dict[str, list[float]] = {}
    workers: Rounds = {}
    async with running("openai") as stack, model_endpoint(stack, write_script(stack.state)) as url:
        environment = _filled(stack, sizes)
        systems = [plain(stack, url), baton(stack, "ours", {"BATON_OPENAI_BASE_URL": url})]
        for number in range(sizes.rounds):
            for name, arguments in _started().items():
                cpu.setdefault(name, []).append(await asyncio.to_thread(_cpu_of, arguments, environment) * 1000)
            for system in systems if number % 2 == 0 else reversed(systems):
                workers.setdefault(system.name, []).append(await _visit(stack, system, f"{system.name}-{number}"))
            say(f"round {number + 1} of {sizes.rounds}")
    say(f"\n{_of_commands(cpu)}\n\n{_of_workers(workers)}")
    compared = {name: ratios(_column(workers["ours"], name), _column(workers[BASELINE], name)) for name in MEASURES}
    return {"sizes": asdict(sizes), "cpu_ms": cpu, "workers": workers, "ratios": compared}


def _filled(stack: Stack, sizes: Sizes) -> dict[str, str]:
    """The environment of commands whose ledger has some runs that ended."""
    state = stack.state / "reading"
    ledger = Ledger(f"sqlite:///{state}/ledger.db", state / "artifacts")
    upgrade(ledger)
    fill(ledger, Year(sizes.runs, lines=20, waiting=0))
    ledger.close()
    return {**os.environ, "BATON_STATE": str(state), "TEMPORAL_ADDRESS": stack.ports.address}


def _started() -> dict[str, list[str]]:
    return {name: ["-c", code] for name, code in IMPORTS.items()} | {
        f"baton {name}": ["-c", LAUNCH, *words] for name, words in COMMANDS.items()
    }


def _cpu_of(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """CPU seconds of one process from its start to its end. Raises `RuntimeError` if it fails."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, *arguments], env=environment, **quiet) as process:
        said = process.stderr.read() if process.stderr is not None else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {process.returncode}: {said}")
    return used.ru_utime + used.ru_stime


MEASURES = {
    "ready_cpu_s": "CPU s until it polls",
    "ready_s": "s until it polls",
    "first_cpu_s": "CPU s until the first result",
    "first_s": "s until the first result",
}


async def _visit(stack: Stack, system: System, queue: str) -> dict[str, float]:
    """Start a worker and one run, both at the same moment."""
    began = time.monotonic()
    async with asyncio.timeout(120), system.worker(queue) as worker:
        first = await system.start(queue)
        await _polling(stack, queue, worker.pid)
        found = {"ready_s": time.monotonic() - began, "ready_cpu_s": cpu_seconds(worker.pid)}
        await first.result()
        return found | {"first_s": time.monotonic() - began, "first_cpu_s": cpu_seconds(worker.pid)}


async def _polling(stack: Stack, queue: str, pid: int) -> None:
    """Wait until the server has a poll of this process: both workers name their process id."""
    request = DescribeTaskQueueRequest(
        namespace=stack.plain.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    while True:
        there = (await stack.plain.workflow_service.describe_task_queue(request)).pollers
        if any(f"{pid}@" in one.identity for one in there):
            return
        await asyncio.sleep(0.02)


def _column(visits: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [found[name] for found in visits]


def _of_commands(cpu: Mapping[str, Sequence[float]]) -> str:
    rows = [["CPU", "ms, median (min-max)", "ratio to import sqlalchemy"]]
    rows += [[name, spread(found, 0), spread(ratios(found, cpu["import sqlalchemy"]))] for name, found in cpu.items()]
    return table(rows)


def _of_workers(workers: Rounds) -> str:
    rows = [["a worker, median (min-max)", *workers, "ratio, same round"]]
    for name, heading in MEASURES.items():
        compared = ratios(_column(workers["ours"], name), _column(workers[BASELINE], name))
        rows.append([heading, *(spread(_column(found, name)) for found in workers.values()), spread(compared)])
    return table(rows)
