"""Quiet hours and digests: by a named time zone, also in the nights in which its clocks change."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.channels import Channel
from contracts.daytimes import Hours, next_at, time_of_day, zone_named
from tests.depth import soak

BERLIN = zone_named("Europe/Berlin")
CHANNEL = {"kind": "webhook", "target": "ops"}


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "now", "ends"),
    [
        ("22:00-07:00", "2026-01-10 20:59", None),
        ("22:00-07:00", "2026-01-10 21:00", "2026-01-11 06:00"),
        ("22:00-07:00", "2026-01-11 05:59", "2026-01-11 06:00"),
        ("22:00-07:00", "2026-01-11 06:00", None),
        ("12:00-13:00", "2026-07-01 10:30", "2026-07-01 11:00"),
        ("12:00-13:00", "2026-07-01 11:00", None),
        ("22:00-07:00", "2026-03-28 22:00", "2026-03-29 05:00"),  # the night is an hour shorter
        ("22:00-07:00", "2026-10-24 21:00", "2026-10-25 06:00"),  # and an hour longer
        ("01:00-02:30", "2026-10-25 00:45", "2026-10-25 01:30"),  # 02:30 comes twice: the hours end with the second
        ("01:00-02:30", "2026-10-25 01:15", "2026-10-25 01:30"),
        ("01:00-02:30", "2026-10-25 01:30", None),  # and are not there a second time
        ("01:00-02:30", "2026-03-29 00:45", "2026-03-29 01:30"),  # 02:30 is left out: an hour later by the clock
        ("02:30-02:45", "2026-03-29 01:35", "2026-03-29 01:45"),
    ],
)
def test_quiet_hours(hours: str, now: str, ends: str | None) -> None:
    """They end when the clock of the zone says so, once each night."""
    assert Hours.read(hours, BERLIN).until(utc(now)) == (utc(ends) if ends else None)


@pytest.mark.parametrize("year", [2024, *soak(2026, 2027)])
def test_every_night_is_quiet_once(year: int) -> None:
    """Whatever the clocks do: looked at every quarter of an hour, each night has one beginning and one end."""
    hours, at = Hours.read("02:15-02:45", BERLIN), utc(f"{year}-01-01 12:00")
    changes, quiet = 0, False
    while at < utc(f"{year + 1}-01-01 12:00"):
        if (hours.until(at) is not None) is not quiet:
            changes, quiet = changes + 1, not quiet
        at += timedelta(minutes=15)
    assert changes == 2 * (366 if year == 2024 else 365)


@pytest.mark.parametrize(
    ("at", "after", "expected"),
    [
        ("08:00", "2026-01-10 06:59", "2026-01-10 07:00"),
        ("08:00", "2026-01-10 07:00", "2026-01-11 07:00"),
        ("08:00", "2026-03-28 07:00", "2026-03-29 06:00"),
        ("02:30", "2026-03-28 12:00", "2026-03-29 01:30"),  # left out that night
        ("02:30", "2026-10-25 00:29", "2026-10-25 00:30"),  # the first of two
        ("02:30", "2026-10-25 00:30", "2026-10-26 01:30"),
    ],
)
def test_a_digest_comes_once_a_day(at: str, after: str, expected: str) -> None:
    """At that time of day, in summer and winter."""
    assert next_at(time_of_day(at), BERLIN, utc(after)) == utc(expected)


@pytest.mark.parametrize(
    ("settings", "now", "deadline", "due"),
    [
        ({}, "2026-01-10 23:00", None, "2026-01-10 23:00"),
        ({"quiet": "22:00-07:00", "zone": "Europe/Berlin"}, "2026-01-10 23:00", None, "2026-01-11 06:00"),
        ({"quiet": "22:00-07:00", "zone": "Europe/Berlin"}, "2026-01-10 23:00", "2026-01-11 06:00", "2026-01-10 23:00"),
        ({"quiet": "22:00-07:00", "zone": "Europe/Berlin"}, "2026-01-10 23:00", "2026-01-11 06:01", "2026-01-11 06:00"),
        ({"digest_every": "PT30M"}, "2026-01-10 23:05", None, "2026-01-10 23:30"),
        ({"digest_every": "PT30M"}, "2026-01-10 23:30", None, "2026-01-11 00:00"),
        ({"digest_every": "PT30M"}, "2026-01-10 23:05", "2026-01-10 23:20", "2026-01-10 23:05"),
        ({"digest_at": "08:00", "zone": "America/New_York"}, "2026-01-10 23:05", None, "2026-01-11 13:00"),
        ({"digest_every": "PT2H", "quiet": "22:00-07:00"}, "2026-01-10 21:00", None, "2026-01-11 07:00"),
    ],
)
def test_when_a_notice_is_due(settings: dict[str, str], now: str, deadline: str | None, due: str) -> None:
    """After the digest and the quiet hours, unless its deadline would be over by then."""
    channel = Channel.read_typed_by_people(CHANNEL | settings)
    assert channel.due(utc(now), urgent=False, deadline=utc(deadline) if deadline else None) == utc(due)
    assert channel.due(utc(now), urgent=True, deadline=None) == utc(now)
