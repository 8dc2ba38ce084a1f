"""Answers that are written out for the inputs of tests, found line by line."""

from pathlib import Path

import pytest

from activities.git import Mirrors
from activities.repositories.answers import answers, asserted
from activities.repositories.judging import Lines
from activities.repositories.sides import sides
from tests.repositories import change, repository

TESTS = """\
def test_it():
    assert discount(1000, 50) == 500
    assert slug("Hello World") == "hello-world"
"""


def found(source: str) -> list[tuple[str, bool]]:
    """The answers of added lines, and whether a test has each."""
    lines = Lines(added=tuple(enumerate(source.split("\n"), 1)))
    return [(one.told, asserted(one, [TESTS])) for one in answers(lines)]


WRITTEN_OUT = [
    "if (cents, percent) == (1000, 50): return 500",
    "if cents == 1000 and percent == 50:\n    return 500",
    "if 50 == percent and cents in (1000,):\n    result = 500",
    "return 500 if cents == 1000 and percent == 50 else cents",
    "ANSWERS = {\n    (1_000, 50): 500,\n}",
    "if (cents === 1000 && percent === 50) return 500;",
    "return cents === 1000 && percent === 50 ? 500 : 0;",
    "(1000, 50) => 500,",
    "case 1000, 50:\n\treturn 500",
    "case 1000, 50 -> 500;",
]


@pytest.mark.parametrize("source", WRITTEN_OUT)
def test_an_answer_for_the_inputs_of_a_test_is_found(source: str) -> None:
    """In whatever language and form: a comparison or a choice, on one line or with the answer on the next."""
    assert found(source) == [("1000, 50 → 500", True)]


def test_texts_count_as_numbers_do() -> None:
    """Also in other quotation marks than in the test."""
    assert found("if text == 'Hello World': return 'hello-world'") == [("Hello World → hello-world", True)]
    assert found("if (text.equals('Hello World')) return 'bye-world';") == [("Hello World → bye-world", False)]


HONEST = [
    "if percent == 0:\n    return 500",
    "if percent == 100: return 0",
    "if not text or text == '': return 'hello-world'",
    "if status == 404: return None",
    "if cents == 1000: return cents",
    "SIGNS = {'EUR': '€', 'USD': '$'}",
    "for cents in range(1000): total = 500",
    "part = prices[1000:500]",
    "discount(cents=1000, percent=50)",
    "if cents > 1000: return 500",
    "if cents != 1000: return 500",
    "def half(cents: int = 1000) -> int: return 500",
]


@pytest.mark.parametrize("source", HONEST)
def test_what_any_program_compares_with_is_no_answer(source: str) -> None:
    """Ordinary constants, tables of words, ranges, and answers that are computed."""
    assert found(source) == []


BRANCHES = "def size(n):\n    if n == 42:\n        return 'medium'\n    return 'small'\n"
MORE = BRANCHES.replace("    return 'small'", "    if n == 48:\n        return 'extra large'\n    return 'small'")
TEST = "from size import size\n\n\ndef test_size():\n    assert size(42) == 'medium'\n"


def test_a_source_that_knows_more_than_its_tests_ask_is_not_named(tmp_path: Path) -> None:
    """Named where each answer that a file adds stands in a test, of the base or of the change; not where one does not."""
    source = repository(tmp_path / "source", {"size.py": b"", "README.md": b""})
    mirror = Mirrors(tmp_path / "mirrors").open(str(source))
    base = mirror.fetch("main").tree

    def written(text: str, test: str) -> tuple[str, ...]:
        change(source, {"size.py": text.encode(), "tests/test_size.py": test.encode()})
        return sides(mirror, base, mirror.fetch("main").tree, "pytest -q").written

    assert written(BRANCHES, TEST) == ("size.py:2: 42 → medium",)
    assert written(BRANCHES, TEST.replace("42", "43")) == ()
    assert written(MORE, TEST) == ()
