"""The period that figures are about: from one instant to another, in UTC."""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ledger.db import to_us


@dataclass(frozen=True)
class Period:
    """From `since`, inclusive, to `until`, exclusive."""

    since: datetime
    until: datetime

    @functools.cached_property
    def since_us(self) -> int:
        """The first microsecond that is in it."""
        return to_us(self.since)

    @functools.cached_property
    def until_us(self) -> int:
        """The first microsecond after it."""
        return to_us(self.until)

    def has(self, microseconds: int) -> bool:
        """True if the instant is in it."""
        return self.since_us <= microseconds < self.until_us


def month_of(instant: datetime) -> Period:
    """The UTC month that an instant is in."""
    first = instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    # 32 days after a first is always in the next month.
    return Period(first, (first + timedelta(days=32)).replace(day=1))


def day_of(microseconds: int) -> str:
    """The UTC day of an instant, as people write it: 2026-11-20."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d")
