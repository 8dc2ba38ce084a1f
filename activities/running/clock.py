"""Temporal's clock, as activities know it: one for all workers, while their own may be days off."""

from collections import deque
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import ExecuteActivityInput

from activities.running.around import Around, Proceed

MEASURED = 10
"""Measurements that count. Each is too high by the time that the message took, so the lowest one is the best."""

_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""A test's environment for a single activity tells times before this one."""


class Clock:
    """By how much this machine's clock is ahead of Temporal's."""

    def __init__(self) -> None:
        self._ahead: deque[timedelta] = deque(maxlen=MEASURED)

    def heard(self, there: datetime) -> None:
        """Temporal says that something has happened at this instant, just now."""
        if there > _NO_TIME:
            self._ahead.append(datetime.now(UTC) - there)

    async def hear(self, telling: Awaitable[datetime | None]) -> None:
        """Wait for what Temporal tells. Where it tells nothing, activities will hear the time."""
        there = await telling
        if there is None:
            structlog.get_logger().warning("Temporal does not say what time it is", action="clock_unknown")
            return
        self.heard(there)

    @property
    def ahead(self) -> timedelta | None:
        """Negative: it is behind. None: nothing has been heard yet."""
        return min(self._ahead, default=None)

    def ahead_us(self) -> int | None:
        """The same in microseconds."""
        return None if self.ahead is None else self.ahead // timedelta(microseconds=1)

    def now(self) -> datetime:
        """This instant by Temporal's clock; by the machine's own as long as nothing has been heard."""
        return datetime.now(UTC) - (self.ahead or timedelta())


def started_at() -> datetime:
    """When Temporal handed out the attempt that runs now, by its own clock. Outside of a worker: now, by this machine's.

    Periods of money go by it: two workers whose clocks differ must not count one day's calls for two days.
    """
    told = activity.info().started_time if activity.in_activity() else _NO_TIME
    return told if told > _NO_TIME else datetime.now(UTC)


class Timed(Around):
    """Compares this machine's clock with Temporal's at the start of every activity."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """As `Around`."""
        self._clock.heard(activity.info().started_time)
        return await proceed(input)
