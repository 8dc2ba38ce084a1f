"""Dates for tests of days and months, which must not depend on the day on which they run."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from types import ModuleType

import pytest


def fifth() -> datetime:
    """Noon of the 5th of the month after this one: neither day nor month ends soon, by the clock or by a skipping server's."""
    first = (datetime.now(UTC).replace(day=1) + timedelta(days=32)).replace(day=5)
    return first.replace(hour=12, minute=0, second=0, microsecond=0)


async def well_before_midnight(left: timedelta) -> None:
    """Where fewer than so many minutes of this day (UTC) are left, wait for the next: a test of one day's money runs in it."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if midnight - now < left:
        await asyncio.sleep((midnight - now).total_seconds())


@contextlib.contextmanager
def on_the_fifth(*modules: ModuleType) -> Iterator[type[datetime]]:
    """For these modules the clock goes on from noon of the 5th of the coming month; gives back the class that they ask.

    A module that goes by Temporal's clock (`started_at`) gets the time from there.
    """
    ahead = fifth() - datetime.now(UTC)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "datetime":  # type: ignore[override]
            return datetime.now(tz) + ahead

    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            if hasattr(module, "started_at"):
                patch.setattr(module, "started_at", lambda: Later.now(UTC))
            else:
                patch.setattr(module, "datetime", Later)
        yield Later
