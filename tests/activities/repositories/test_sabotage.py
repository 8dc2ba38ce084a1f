"""Changed lines made to raise: which are tried, and that exactly they raise."""

import ast
from dataclasses import replace
from typing import Any

import pytest

from activities.repositories.judging import Lines
from activities.repositories.sabotage import RAISED, Fault, Region, regions, sabotaged

FAULT = Fault("0123456789abcdef")

TEXT = '''\
"""Prices."""

from __future__ import annotations

RATE = 5


def price(cents, percent):
    """What is
    to be paid."""
    # in cents
    if percent > 100: return 0
    for one in (1, 2):
        cents = (cents +
                 one)
    else:
        cents += 0

    return cents


class Cart:
    size = 1

    @property
    def total(self): return 7
'''


def of(*numbers: int, gaps: tuple[int, ...] = ()) -> tuple[Region, ...]:
    """The regions of these changed lines."""
    return regions("a.py", TEXT, Lines(added=tuple((number, "") for number in numbers), gaps=gaps))


@pytest.mark.parametrize("number", [1, 2, 3, 4, 9, 10, 11, 18, 20])
def test_lines_that_do_nothing_are_not_tried(number: int) -> None:
    """Texts that document, comments, empty lines and imports from the future."""
    assert of(number) == ()


REGIONS = [
    ((5,), [("", "5")]),
    ((8,), [("price", "8")]),
    ((12, 13), [("price", "12-13")]),
    ((12, 19), [("price", "12"), ("price", "19")]),
    ((14, 15), [("price", "14-15")]),
    ((17, 18, 19), [("price", "17"), ("price", "19")]),
    ((12, 13, 14, 15), [("price", "12-13"), ("price", "14-15")]),
    ((13, 14, 15, 16, 17, 18, 19), [("price", "13, 19"), ("price", "14-15"), ("price", "17")]),
    ((23,), [("", "23")]),
    ((25,), [("Cart.total", "25")]),
    ((26,), [("Cart.total", "26")]),
    ((19, 20, 21, 22), [("price", "19"), ("", "22")]),
]


@pytest.mark.parametrize(("numbers", "found"), REGIONS)
def test_lines_that_stand_together_are_one_place(numbers: tuple[int, ...], found: list[tuple[str, str]]) -> None:
    """By function and branch, and by what was changed in one go; comments and empty lines of it do not part it."""
    assert [(one.where, one.lines) for one in of(*numbers)] == found


def test_what_was_only_taken_out_counts_at_the_line_before() -> None:
    """A line that is gone cannot raise."""
    assert [(one.where, one.lines) for one in of(gaps=(12,))] == [("price", "12")]
    assert of(gaps=(0,)) == ()


def outcome(text: str, call: str) -> str:
    """What a call does in the module: its value, or what it raised."""
    found: dict[str, Any] = {}
    try:
        exec(compile(text, "a.py", "exec"), found)
        return repr(eval(call, found))
    except BaseException as error:  # noqa: BLE001 (what sabotage raises is no Exception)
        return "raised" if str(error) == f"{RAISED}: {FAULT.token}" else repr(error)


CALLS = [
    (8, "price(1, 0)", "raised"),
    (12, "price(1, 0)", "raised"),
    (14, "price(1, 0)", "raised"),
    (14, "price(1, 101)", "0"),
    (15, "price(1, 0)", "raised"),
    (17, "price(1, 0)", "raised"),
    (19, "price(1, 101)", "0"),
    (19, "price(1, 0)", "raised"),
    (26, "price(1, 0)", "4"),
    (26, "Cart().total", "raised"),
    (25, "Cart().total", "raised"),
    (23, "price(1, 0)", "raised"),
    (5, "price(1, 0)", "raised"),
]


@pytest.mark.parametrize(("number", "call", "found"), CALLS)
def test_exactly_the_changed_lines_raise(number: int, call: str, found: str) -> None:
    """A call that comes there raises, another one does what it did."""
    assert outcome(sabotaged(TEXT, of(number)[0], FAULT), call) == found
    assert outcome(TEXT, call) != "raised"
    harmless = sabotaged(TEXT, of(number)[0], replace(FAULT, live=False))
    assert outcome(harmless, call) == outcome(TEXT, call)
    assert FAULT.token not in harmless


def test_what_every_statement_can_be() -> None:
    """Every kind of block can be made to raise, and what comes out is Python."""
    text = (
        "async def a():\n    async with b() as c:\n        yield c\n    async for d in e():\n        await d\n"
        "def f():\n    try:\n        g()\n    except KeyError:\n        h()\n    finally:\n        i()\n"
        "def j(k):\n    match k:\n        case 1:\n            l()\n        case _:\n            global m\n            m = 1\n"
        "@n\nclass O(P): pass\nq = lambda: (\n    1)\nif r: s()\nelif t:\n    u()\nelse: v()\nwhile w:\n    x()\n"
    )
    count = text.count("\n")
    for number in range(1, count + 1):
        for one in regions("a.py", text, Lines(added=((number, ""),))):
            assert RAISED in ast.unparse(ast.parse(sabotaged(text, one, FAULT)))
    assert len(regions("a.py", text, Lines(added=tuple((number, "") for number in range(1, count + 1))))) >= 4


@pytest.mark.parametrize("text", ["def (", "\0", "(" * 10_000])
def test_what_is_no_python_is_not_tried(text: str) -> None:
    """It cannot be made to raise by this Python, and is named as that: another one may be able to read it."""
    assert regions("a.py", text, Lines(added=((1, ""),))) == (Region("a.py", (1,), breakable=False),)
    assert regions("a.py", text, Lines()) == ()
