"""The baseline's worker: temporalio with its defaults, sandbox included."""

import asyncio
import json
import os
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.plain import PlainLoop, PlainStages
from benchmarks.plain_activities import PlainModel, answer_turn, run_part
from benchmarks.serving import serve


async def _main(stop: asyncio.Event) -> None:
    model = PlainModel(os.environ["BENCH_MODEL_URL"], json.loads(Path(os.environ["BENCH_CALLS"]).read_text()))
    async with Worker(
        await Client.connect(os.environ["TEMPORAL_ADDRESS"]),
        task_queue=os.environ["BENCH_TASK_QUEUE"],
        workflows=[PlainStages, PlainLoop],
        activities=[model.ask_stage, answer_turn, run_part],
    ):
        await stop.wait()


if __name__ == "__main__":
    serve(_main)
