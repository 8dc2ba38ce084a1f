"""Loops that a worker runs beside its tasks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def beside(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside what is inside, until that has ended or failed. Then they are cancelled, and waited for.

    So the next worker need not wait for their leases, and nothing uses the ledger when it is closed.
    """
    running = [asyncio.create_task(one) for one in loops]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
