"""The baseline's worker: temporalio with its defaults, sandbox included unless BENCH_SANDBOX is false."""

import asyncio
import json
import os
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from benchmarks.plain import PlainGate, PlainLoop, PlainStages
from benchmarks.plain_activities import PlainModel, answer_turn, keep_text, run_part
from benchmarks.serving import serve


async def _main(stop: asyncio.Event) -> None:
    model = PlainModel(os.environ["BENCH_MODEL_URL"], json.loads(Path(os.environ["BENCH_CALLS"]).read_text()))
    plainly = os.environ.get("BENCH_SANDBOX") == "false"
    async with Worker(
        await Client.connect(os.environ["TEMPORAL_ADDRESS"]),
        task_queue=os.environ["BENCH_TASK_QUEUE"],
        workflows=[PlainStages, PlainLoop, PlainGate],
        activities=[model.ask_stage, answer_turn, keep_text, run_part],
        workflow_runner=UnsandboxedWorkflowRunner() if plainly else SandboxedWorkflowRunner(),
    ):
        await stop.wait()


if __name__ == "__main__":
    serve(_main)
