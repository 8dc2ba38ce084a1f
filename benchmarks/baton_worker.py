"""Baton's worker as it ships, with the benchmarks' workflows, contracts and tool added to its lists.

BENCH_TRIAL=FILE runs that Python file first, so that a change can be tried side by side with the code as it is.
"""

# ruff: noqa: E402 (the collector is told before anything is loaded, as worker.py does)

import asyncio
import gc
import os
import runpy

COLLECTS = gc.get_threshold()
gc.set_threshold(500_000)

import config
import logs
import worker
from activities.tools.registry import TOOLS
from benchmarks.agent_files import register
from benchmarks.ours import READ_PART, WORKFLOWS
from benchmarks.serving import serve
from tests.workflows.spreading import Leaf, Spreading
from workflows.kit import ask


async def _main(stop: asyncio.Event) -> None:
    register()
    worker.COLLECTS = COLLECTS
    TOOLS[READ_PART.name] = READ_PART
    ask.AT_HAND |= {READ_PART.name}
    worker.WORKFLOWS = (*worker.WORKFLOWS, *WORKFLOWS, Spreading, Leaf)
    if trial := os.environ.get("BENCH_TRIAL"):
        runpy.run_path(trial)
    settings = config.load()
    logs.configure(settings.log_format, settings.log_level)
    await worker.serve(settings, stop)


if __name__ == "__main__":
    serve(_main)
