"""The worker of the benchmark `local`: temporalio alone, one workflow whose steps are activities of either kind."""

import asyncio
import os
import signal
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.serving import serve

Kind = Literal["ordinary", "local"]

STEPS = 2


@dataclass
class Asked:
    """Which kind of activity, how long each step takes, and the file that has a line for each step that began.

    `dies`: the second step kills its worker, once; the file `book` with `.killed` says that it has. `listens`: the run does
    not end before an update has come.
    """

    kind: Kind
    seconds: float
    book: str
    dies: bool = False
    listens: bool = False


@dataclass
class Step:
    """One step, by its number."""

    number: int
    asked: Asked


@activity.defn
async def take(step: Step) -> int:
    """Wait for so long, with heartbeats where there are any."""
    book = Path(step.asked.book)
    with book.open("a") as lines:
        lines.write(f"{step.number}\n")
    if step.asked.dies and step.number == STEPS and not book.with_suffix(".killed").exists():
        book.with_suffix(".killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    waits = asyncio.create_task(asyncio.sleep(step.asked.seconds))
    while not waits.done():
        await asyncio.wait({waits}, timeout=1)
        if not activity.info().is_local:
            activity.heartbeat()
    return step.number


@workflow.defn
class Steps:
    """Steps in a row; an update is answered at once."""

    def __init__(self) -> None:
        self.was_heard = False

    @workflow.run
    async def run(self, asked: Asked) -> int:
        """The number of steps."""
        once = RetryPolicy(initial_interval=timedelta(milliseconds=100))
        for number in range(1, STEPS + 1):
            step = Step(number, asked)
            if asked.kind == "local":
                await workflow.execute_local_activity(
                    take, step, start_to_close_timeout=timedelta(minutes=2), retry_policy=once
                )
            else:
                await workflow.execute_activity(
                    take,
                    step,
                    start_to_close_timeout=timedelta(minutes=2),
                    heartbeat_timeout=timedelta(seconds=5),
                    retry_policy=once,
                )
        await workflow.wait_condition(lambda: self.was_heard or not asked.listens)
        return STEPS

    @workflow.update
    async def heard(self) -> None:
        """Let it end."""
        self.was_heard = True


async def _main(stop: asyncio.Event) -> None:
    async with Worker(
        await Client.connect(os.environ["TEMPORAL_ADDRESS"]),
        task_queue=os.environ["BENCH_TASK_QUEUE"],
        workflows=[Steps],
        activities=[take],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
    ):
        await stop.wait()


if __name__ == "__main__":
    serve(_main)
