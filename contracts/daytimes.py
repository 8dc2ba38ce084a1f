"""Times of day in a named time zone: when quiet hours end, and when a digest is due, whatever the clocks do that night."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def time_of_day(text: str) -> time:
    """Read `HH:MM`. Raises ValueError, which says how it is written."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no time of day; write HH:MM, from 00:00 to 23:59")
    return time(int(found[1]), int(found[2]))


def zone_named(name: str) -> ZoneInfo:
    """The time zone of this name. Raises ValueError where this machine's database of time zones has none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, and other names are paths that cannot be read
        pass
    except KeyError:
        pass
    raise ValueError(
        f"this machine knows no time zone {name[:60]!r}; write its name, such as Europe/Berlin or UTC. If that is its name, "
        "install the system's tzdata"
    )


def instant(day: date, at: time, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """That time of that day, in UTC. Of a time that the clock shows twice that day the first, or the `last`.

    A time that the clock leaves out is as many minutes later as the clock was put forward.
    """
    found = [datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    # Where the clock leaves a time out, the two come in reverse order: the first is the later one.
    return max(found) if last else found[0]


def next_at(at: time, zone: ZoneInfo, after: datetime) -> datetime:
    """The next instant after this one at which the clock shows that time; once a day, whatever the clocks do."""
    today = after.astimezone(zone).date()
    days = (instant(today + DAY * n, at, zone) for n in range(-1, 3))
    return next(one for one in days if one > after)


@dataclass(frozen=True)
class Hours:
    """Hours of every day. If `ends` is not after `begins` they end on the next day."""

    begins: time
    ends: time
    zone: ZoneInfo

    @classmethod
    def read(cls, text: str, zone: ZoneInfo) -> "Hours":
        """Read `HH:MM-HH:MM`. Raises ValueError, which says how it is written."""
        first, dash, second = text.partition("-")
        if not dash:
            raise ValueError(f"{text[:40]!r} are no hours; write them as HH:MM-HH:MM, such as 22:00-07:00")
        found = cls(time_of_day(first.strip()), time_of_day(second.strip()), zone)
        if found.begins == found.ends:
            raise ValueError(f"{text!r} begin and end at the same time, which would be always or never; write two times")
        return found

    def until(self, now: datetime) -> datetime | None:
        """When the hours that `now` is in end, in UTC; None outside of them."""
        today = now.astimezone(self.zone).date()
        for day in (today - DAY, today):
            over = day if self.ends > self.begins else day + DAY
            ends = instant(over, self.ends, self.zone, last=True)
            if instant(day, self.begins, self.zone) <= now < ends:
                return ends
        return None
