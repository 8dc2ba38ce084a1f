"""Heartbeats for every activity that waits for something else, so that a killed worker is noticed within seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity

from activities.running.failpoints import reach

T = TypeVar("T")

EVERY = timedelta(seconds=1)


@contextlib.asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat once a second while the block runs. Cancellation of the activity arrives with a heartbeat, too."""
    task = asyncio.create_task(_beat())
    try:
        yield
    finally:
        # Awaited, too: nothing of an activity may be left running when it answers.
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def committed(work: Coroutine[Any, Any, T]) -> T:
    """What a transaction gives, with heartbeats meanwhile. A cancellation does not hide it.

    The workflow waits for the answer, and has to know what was committed, also where it is about to end.
    """
    async with beating():
        task = asyncio.create_task(work)
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                # Not `await task`: that would hand the cancellation on to the commit.
                await asyncio.wait({task})
        return task.result()


async def _beat() -> None:
    # Not at once: the start says the same, and most calls are over before a second has passed.
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        reach("activity.in_heartbeat")
        activity.heartbeat()
