"""When a log line was written: time stamps in the forms that programs write. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

LOOKED_AT = 200
"""Characters of a line in which a time stamp is looked for."""

_MONTHS = {
    name: number
    for number, name in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Stamp(NamedTuple):
    """A time, in UTC, and where the text goes on behind it."""

    at: datetime
    end: int


# ISO 8601 and what log4j and Python's logging make of it: a blank for the T, a comma before milliseconds, slashes.
_ISO = re.compile(
    r"[\[(<\"']?(\d{4})[-/](\d\d)[-/](\d\d)[T ,_](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r"\s?(Z\b|UTC\b|[+-]\d\d:?\d\d\b)?[\])>\"']?"
)
# Access logs of nginx and Apache: [10/Oct/2026:13:55:36 +0000], somewhere behind the address.
_CLF = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.\d+)?\s([+-]\d{4})\]")
# RFC 3164, without a year: Oct  1 13:55:36
_SYSLOG = re.compile(r"(?:<\d{1,3}>)?([A-Z][a-z]{2})\s{1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
# Epoch seconds or milliseconds at the beginning, or in brackets.
_EPOCH = re.compile(r"\[?(1\d{9})(\d{3})?(?:\.(\d{1,9}))?\]?(?=[\s:,|]|$)")


def stamp_of(text: str, now: datetime) -> Stamp | None:
    """The time stamp of a line; None where there is none. A time without a zone is taken for UTC.

    `now` supplies the year that syslog leaves out: the latest that does not lie more than a day ahead.
    """
    head = text[:LOOKED_AT]
    for form, read in _FORMS.items():
        # Only an access log has its stamp behind other words.
        found = form.search(head) if form is _CLF else form.match(head)
        if found is None:
            continue
        try:
            at = read(found, now)
        except (ValueError, OverflowError, KeyError):
            continue
        if _EARLIEST < at < _LATEST:
            return Stamp(at, found.end())
    return None


def instant(value: object, now: datetime) -> datetime | None:
    """The time that a field of a JSON line holds: a text in any of the forms, or a number of seconds or milliseconds."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        seconds = value / 1000 if value > 1e11 else value
        try:
            at = datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return at if _EARLIEST < at < _LATEST else None
    found = stamp_of(str(value), now)
    return None if found is None else found.at


def _iso(found: re.Match[str], now: datetime) -> datetime:
    del now
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    micro = int((found[7] or "0").ljust(6, "0")[:6])
    # A leap second is the last one of its minute.
    local = datetime(year, month, day, hour, minute, min(second, 59), micro, tzinfo=_zone(found[8]))
    return local.astimezone(UTC)


def _clf(found: re.Match[str], now: datetime) -> datetime:
    del now
    hour, minute, second = (int(found[at]) for at in (4, 5, 6))
    local = datetime(int(found[3]), _MONTHS[found[2]], int(found[1]), hour, minute, second, tzinfo=_zone(found[7]))
    return local.astimezone(UTC)


def _syslog(found: re.Match[str], now: datetime) -> datetime:
    month, day = _MONTHS[found[1]], int(found[2])
    hour, minute, second = (int(found[at]) for at in (3, 4, 5))
    micro = int((found[6] or "0").ljust(6, "0"))
    for year in (now.year + 1, now.year, now.year - 1, now.year - 2, now.year - 3, now.year - 4):
        if (month, day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400)):
            continue
        at = datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
        if at <= now + timedelta(days=1):
            return at
    raise ValueError("no year has that day")


def _epoch(found: re.Match[str], now: datetime) -> datetime:
    del now
    micro = int((found[2] or found[3] or "0").ljust(6, "0")[:6])
    return datetime.fromtimestamp(int(found[1]), UTC) + timedelta(microseconds=micro)


def _zone(text: str | None) -> timezone:
    if text is None or text in ("Z", "UTC"):
        return UTC
    sign, digits = (-1 if text[0] == "-" else 1), text[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:4])))


_FORMS: Mapping[re.Pattern[str], Callable[[re.Match[str], datetime], datetime]] = {
    _ISO: _iso,
    _SYSLOG: _syslog,
    _EPOCH: _epoch,
    _CLF: _clf,
}
