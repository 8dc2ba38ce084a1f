"""Work that must not be left half done when its caller is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Run the work to its end. A cancellation that comes meanwhile is raised afterwards, whatever the work's outcome."""
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            # Not `asyncio.shield`: with it the work would also go on, but nobody would wait for its end.
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        # Even if the work succeeded: what it did is committed, but the attempt was cancelled.
        raise asyncio.CancelledError from None if task.cancelled() else task.exception()
    return task.result()
