"""Work that must not be left half done: when its caller is cancelled, and when the ledger is away at its end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio import activity

from contracts.errors import LedgerUnavailable

T = TypeVar("T")

AGAIN = 1.0
"""Seconds between two tries."""

MARGIN = timedelta(seconds=10)
"""What is left of an attempt's time when it stops waiting for the ledger."""


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do the work to its end; a cancellation that comes meanwhile is raised afterwards, whatever the work gave or raised."""
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            # Not `asyncio.shield`: the work would go on there as well, but nobody would wait for its end.
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        # Also where the work succeeded: what it did is committed, and the attempt was cancelled all the same.
        raise asyncio.CancelledError from None if task.cancelled() else task.exception()
    return task.result()


async def kept(commit: Callable[[], Awaitable[T]], at_most: timedelta | None = None) -> T:
    """Commit what was costly to get. While the ledger is away it waits and tries again, for the rest of the attempt's time.

    `at_most` is a shorter time. Without this a database that restarts during a model call has the call made, and paid for,
    once more.
    """
    ends = _ends() if at_most is None else min(_ends(), datetime.now(UTC) + at_most)
    while True:
        try:
            return await commit()
        # Only this error: after it the transaction was committed, or not, and every function of the ledger can run again.
        except LedgerUnavailable as error:
            if ends < datetime.now(UTC):
                raise
            activity.logger.warning("what this attempt got waits for the ledger: %s", error)
        await asyncio.sleep(AGAIN)


def _ends() -> datetime:
    if not activity.in_activity():
        return datetime.now(UTC)
    info = activity.info()
    # From the start of this attempt and not from when it was scheduled: that is what its time-out counts from.
    return info.started_time + (info.start_to_close_timeout or timedelta()) - MARGIN
