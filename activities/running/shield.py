"""A result that was costly to get must not be lost because the ledger is unavailable when it is to be committed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio import activity

from ledger.outages import FAILED_COMMIT, told

T = TypeVar("T")

AGAIN = 1.0
"""Seconds between two attempts to commit."""

MARGIN = timedelta(seconds=10)
"""How long before the end of its time an attempt stops waiting for the ledger."""


async def kept(commit: Callable[[], Awaitable[T]], at_most: timedelta | None = None) -> T:
    """Commit a result that was costly to get, again and again if the database fails, until the attempt's time is up.

    `at_most` shortens that time. Without this, a database that restarts during a model call would have the call made and paid
    for again. Whatever the database fails with counts, also what does not look like an outage: the result is here, and is not
    to be had again for nothing. Raises the last failure in the end, at once what is no failure of the database.
    """
    ends = _ends() if at_most is None else min(_ends(), datetime.now(UTC) + at_most)
    while True:
        try:
            return await commit()
        # The transaction was committed or not, and every function of the ledger is safe to run again.
        except FAILED_COMMIT as error:
            if ends < datetime.now(UTC):
                raise
            activity.logger.warning("the result of this attempt waits for the ledger: %s", told(error))
        await asyncio.sleep(AGAIN)


def _ends() -> datetime:
    if not activity.in_activity():
        return datetime.now(UTC)
    info = activity.info()
    # From the start of this attempt, not from when it was scheduled: its timeout counts from there.
    return info.started_time + (info.start_to_close_timeout or timedelta()) - MARGIN
