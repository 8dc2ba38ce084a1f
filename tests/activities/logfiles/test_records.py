"""Logs taken apart: when a line was written, how bad it is, what belongs to it, and which lines say the same."""

from datetime import UTC, datetime

import pytest

from activities.logfiles.causes import Cause, addresses, cause_of
from activities.logfiles.drain import CHILDREN, CLUSTERS, Tree
from activities.logfiles.records import records
from activities.logfiles.signs import Looking, change
from activities.logfiles.stamps import stamp_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AT = datetime(2026, 2, 28, 8, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        "2026-02-28T08:00:01Z up",
        "2026-02-28T09:00:01+01:00 up",
        "2026-02-28 08:00:01,000 INFO up",
        "[2026-02-28 08:00:01.000] up",
        "2026/02/28 08:00:01 [error] 7#7: up",
        "Feb 28 08:00:01 host app[7]: up",
        "<34>Feb 28 08:00:01 host app: up",
        "1772265601 up",
        "1772265601000 up",
        "1772265601.000 up",
        '127.0.0.1 - - [28/Feb/2026:08:00:01 +0000] "GET / HTTP/1.1" 200 1',
        '{"ts": 1772265601.0, "msg": "up"}',
        '{"@timestamp": "2026-02-28T08:00:01.000Z", "message": "up"}',
    ],
)
def test_the_common_forms_of_time_are_read(line: str) -> None:
    """Each in UTC, to the second, also without a year."""
    (record,) = records((line,), NOW)
    assert record.at == AT


@pytest.mark.parametrize(
    "line", ["up", "2026-13-28 08:00:01 up", "Feb 30 08:00:01 up", "{", '{"ts": true}', "9" * 400, '{"ts": 1e400}', "[" * 3000]
)
def test_what_is_no_time_is_none(line: str) -> None:
    """No line breaks the reading."""
    (record,) = records((line,), NOW)
    assert (record.at, record.lines) == (None, [line])


def test_syslog_gets_the_year_that_lies_behind() -> None:
    """In January a line of December is of last year; a leap day of the last leap year."""
    january = datetime(2026, 1, 2, tzinfo=UTC)
    assert stamp_of("Dec 31 23:59:59 x", january) == (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), 15)
    leap = stamp_of("Feb 29 00:00:00 x", january)
    assert leap is not None
    assert leap.at.year == 2024


def test_a_stack_trace_is_one_record() -> None:
    """With the line before it, with causes and blank lines in it; and in a log without any time stamps."""
    trace = ["Traceback (most recent call last):", '  File "a.py", line 1, in b', "", "ValueError: rate must be 7"]
    dated = ["2026-02-28 08:00:01 INFO taken", "2026-02-28 08:00:02 ERROR failed", *trace, "2026-02-28 08:00:03 INFO on"]
    found = list(records(dated, NOW))
    assert [(one.line, one.level, len(one.lines)) for one in found] == [(1, "info", 1), (2, "error", 5), (7, "info", 1)]
    assert "rate must be 7" in found[1].said
    bare = ["starting", *trace, "java.lang.Error: x", "\tat a.b(c.java:1)", "Caused by: y", "going on"]
    levels = [(one.line, one.level, len(one.lines)) for one in records(bare, NOW)]
    assert levels == [(1, "error", 8), (9, "info", 1)]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-02-28 08:00:01 WARN x", "warning"),
        ("2026-02-28 08:00:01 [CRITICAL] x", "fatal"),
        ("ts=2026 level=error msg=x", "error"),
        ("08:00 nothing is wrong, the error page was asked for and this is far into the line: error", "info"),
        ('1.1.1.1 - - [28/Feb/2026:08:00:01 +0000] "GET /error HTTP/1.1" 200 1', "info"),
        ('1.1.1.1 - - [28/Feb/2026:08:00:01 +0000] "GET / HTTP/1.1" 503 1', "error"),
        ('{"level": "warn", "msg": "x"}', "warning"),
        ("/var/log/error.log opened", "info"),
    ],
)
def test_levels_are_read_where_they_stand(line: str, level: str) -> None:
    """By the program's own word for it, not by a word of prose or a path."""
    (record,) = records((line,), NOW)
    assert record.level == level


def test_lines_that_say_the_same_are_one_cluster() -> None:
    """Numbers, ids and names differ; other words make another cluster, and neither words nor templates grow without end."""
    tree = Tree()
    for number in range(300):
        for text in (f"ERROR order {number} of user{number} failed after {number}ms", f"ERROR disk sd{number} is slow today"):
            for record in records((text,), NOW):
                tree.add(record)
    assert sorted((one.template, one.count) for one in tree.clusters) == [
        ("disk sd<*> is slow today", 300),
        ("order <*> of user<*> failed after <*>", 300),
    ]
    hostile = Tree()
    lines = CLUSTERS * 5 // 4
    for number in range(lines):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        for record in records((f"ERROR {word} {word[::-1]} {word * 2}",), NOW):
            hostile.add(record)
    assert len(hostile.clusters) <= CLUSTERS
    assert hostile.beyond + sum(one.count for one in hostile.clusters) == lines
    assert max(len(node.below) for node in hostile._tops.values()) <= CHILDREN + 1  # (no view of it is public)


def test_the_first_error_and_the_change_are_seen() -> None:
    """Ten good records, then ten bad ones: the time between them, and the share on both sides."""
    lines = [f"2026-02-28 08:00:{second:02} {'INFO ok' if second < 10 else 'ERROR no'}" for second in range(20)]
    looking = Looking()
    looking.take(records(lines, NOW, 100, "a.log"))
    seen = looking.seen()
    assert seen.first_error is not None
    assert (seen.first_error.line, seen.before, seen.after) == (110, 0, 1000)
    assert seen.changed_at is not None
    assert datetime(2026, 2, 28, 8, 0, 9, tzinfo=UTC) <= seen.changed_at <= datetime(2026, 2, 28, 8, 0, 10, tzinfo=UTC)
    assert change([(0.0, False)] * 50) == (None, 0, 0)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("OSError: [Errno 24] Too many open files: 'a.png'", Cause("used_up", "file handles")),
        ("write failed: No space left on device", Cause("used_up", "disk space")),
        ("cannot reach stock at 10.0.0.7:8080: Connection refused", Cause("away", "10.0.0.7:8080")),
        ("File app.py:12 http://stock.local:80/ timed out", Cause("away", "stock.local:80")),
        ("setting rate_limit: invalid value 'two'", Cause("setting", "rate_limit")),
        ("DATABASE_URL is not set", Cause("setting", "DATABASE_URL")),
        ("division by zero", Cause("other")),
    ],
)
def test_what_errors_mean_that_any_program_has(text: str, cause: Cause) -> None:
    """Used up before wrong setting before something away: what explains more comes first."""
    assert cause_of(text) == cause


def test_an_address_is_no_place_in_a_source_file() -> None:
    """`app.py:12` is a line of code."""
    assert addresses("app.py:12 called db.local:5432, [::1]:80") == ("db.local:5432", "[::1]:80")
