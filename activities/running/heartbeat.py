"""Heartbeats for every activity that waits for something else, so that a killed worker is noticed within seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity

from activities.running.failpoints import reach

T = TypeVar("T")

EVERY = timedelta(seconds=1)


def _nothing() -> Sequence[Any]:
    return ()


@contextlib.asynccontextmanager
async def beating(details: Callable[[], Sequence[Any]] = _nothing) -> AsyncIterator[None]:
    """Send a heartbeat once a second while the block runs. It is also how a cancellation of the activity arrives.

    Each one carries what `details` says at that time, which Temporal shows for an activity that is under way.
    """
    task = asyncio.create_task(_beat(details))
    try:
        yield
    finally:
        # Awaited, too: an activity must leave nothing running when it returns.
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def committed(work: Coroutine[Any, Any, T]) -> T:
    """Run a transaction with heartbeats and return its result, even if the activity is cancelled meanwhile.

    The workflow waits for the answer, and has to know what was committed even when it is about to end.
    """
    async with beating():
        task = asyncio.create_task(work)
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                # Not `await task`: that would pass the cancellation on to the commit.
                await asyncio.wait({task})
        return task.result()


async def _beat(details: Callable[[], Sequence[Any]]) -> None:
    # Not at once: the start counts as a heartbeat, and most calls are over within a second.
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        reach("activity.in_heartbeat")
        if not activity.info().is_local:  # of one that is, the workflow task says that the worker lives
            activity.heartbeat(*details())
