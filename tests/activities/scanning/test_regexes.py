"""Regular expressions that can be slow are told by how they are written; none of them is run."""

import re
import time

import pytest

from activities.scanning.difference import ChangedFile
from activities.scanning.regexes import patterns_in, slow, slow_patterns

SLOW = {
    r"(a+)+b": "exponential",
    r"^(\w+\s?)*$": "exponential",
    r"(?:\s*,\s*)*x": "exponential",
    r"(\s|.)*;": "exponential",
    r"((\r\n|\r|\n)+) *$": "exponential",
    r"(?i:[a-z]|A)*1": "",  # flags within a group are not followed
    r"(x\w*)*!": "exponential",
    r"\s*(\d+)\s*(\S+) (.*)": "quadratic",
    r"rgb\( *(.+?) *\)": "quadratic",
    r"(.+?)\((.*)\)": "overlapping",
    r"(\s+\w+)*;": "",
    r"(?:[^,]+,)*[^,]+$": "",
    r"\"(?:\\.|[^\"\\])*\"": "",
    r"[a-z]+[0-9]*$": "",
    r"^\d{1,3}(?:,\d{3})*$": "",
    r"(?:\.\w+)*": "",
    r"(a+)+": "",  # nothing after it can fail
    r"(unclosed": "",
}


@pytest.mark.parametrize(("pattern", "speed"), SLOW.items(), ids=[one[:20] for one in SLOW])
def test_what_can_be_cut_in_several_ways_is_slow(pattern: str, speed: str) -> None:
    """And what can be cut in one way alone is not."""
    assert slow(pattern) == speed


def test_where_a_pattern_has_to_fit_the_end_it_can_fail_there() -> None:
    """`fullmatch` asks for the end, which `match` does not."""
    assert (slow(r"(a+)+"), slow(r"(a+)+", whole=True)) == ("", "exponential")


@pytest.mark.parametrize(("pattern", "text"), [(r"(a+)+b", "a"), (r"(?:\s*,\s*)*x", " ,"), (r"((\r\n|\r|\n)+) *$", "\r\n")])
def test_what_is_told_as_exponential_is(pattern: str, text: str) -> None:
    """Twice as long a text takes far more than twice the time: seen on the real engine, by its own processor time."""

    def taken(times: int) -> float:
        began = time.process_time()
        re.compile(pattern).match(text * times + "!")
        return time.process_time() - began

    assert taken(20) > 20 * max(min(taken(10) for _ in range(5)), 1e-6)


def test_hostile_patterns_come_to_an_end() -> None:
    """Deep nesting, many branches and what is no Python at all raise nothing, and take no time to speak of."""
    assert slow("(" * 2000 + "a" + ")+" * 2000) in ("", "exponential")
    assert slow("|".join(["a*"] * 600)) == ""
    assert slow("a*b?" * 400 + "c" * 20) == "quadratic"
    assert slow("(?:a*)" * 2 + "b" * 3000) == ""  # longer than is looked at
    assert list(patterns_in("re.compile('''")) == []
    assert list(patterns_in("re.compile(f'{x}+', 'y')\nre.compile(b'a+' + b'b')")) == []


BEFORE = 'import re\nOLD = re.compile(r"(a+)+b")\n'
HEAD = """import re


OLD = re.compile(r"(a+)+b")
NEW = re.search(
    r"(b+)+"
    r"c", text
)
FINE = re.compile("(a+)+" + tail)
"""


def test_only_what_the_change_brings_is_told() -> None:
    """A pattern that was moved is not; a new one is, at a line that was added, with a quote that is there."""
    lines = HEAD.split("\n")
    file = ChangedFile(
        "a.py",
        added={number: lines[number - 1] for number in range(2, len(lines))},
        removed=[(2, 'OLD = re.compile(r"(a+)+b")')],
    )
    told = [(one.rule, one.severity, one.line, one.quote.strip()) for one in slow_patterns(file, HEAD)]
    assert told == [("regex-exponential", "medium", 6, 'r"(b+)+"')]
