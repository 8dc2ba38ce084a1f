"""Heartbeats for every activity that waits for something else, so that a killed worker is noticed within seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio import activity

EVERY = timedelta(seconds=1)


@contextlib.asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat once a second while the block runs. Cancellation of the activity arrives with a heartbeat, too."""
    task = asyncio.create_task(_beat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _beat() -> None:
    # Not at once: the start says the same, and most calls are over before a second has passed.
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        activity.heartbeat()
