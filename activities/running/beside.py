"""Loops that a worker runs beside its tasks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import structlog

from contracts.errors import BatonError

sleep = asyncio.sleep
"""How loops wait for their next turn. A test that counts their turns puts a clock of its own here."""


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


async def again(part: Callable[[], Awaitable[object]], every: timedelta, *, unable: str, action: str) -> None:
    """Do this every so often until cancelled, even if it fails now and then: the log says that it was `unable` to, and why."""
    log = structlog.get_logger()
    while True:
        try:
            await part()
        except BatonError as error:
            log.warning(unable, reason=str(error), action=action)
        except Exception:
            log.exception(unable, action=action)
        await sleep(every.total_seconds())
