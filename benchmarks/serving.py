"""Run a worker process of the benchmarks until it is told to stop, with a profile if wanted."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from benchmarks import profiling


def serve(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` until SIGTERM sets its event, then end the process. BENCH_PROFILE=FILE keeps a profile per thread."""
    with profiling.kept(os.environ.get("BENCH_PROFILE", "")):
        asyncio.run(_until_stopped(main))
    sys.stderr.flush()
    # The SDK's threads can abort the interpreter while it shuts down, see worker.py.
    os._exit(0)


async def _until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await main(stop)
