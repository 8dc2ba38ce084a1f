"""How deep the tests go. `make test` has each promise meet each kind of case once; `make soak` has it meet them all, and often.

What differs is how many kills, examples or cases of one kind tests are given here, and that whole tests are left to the soak
whose promise a shorter one shows as well.
"""

import os
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")

VARIABLE = "TESTS_DEPTH"
SOAK = os.environ.get(VARIABLE) == "soak"
"""True in `make soak`. Set for the whole process, because pytest asks for cases while it collects."""


def count(suite: int, *, soak: int) -> int:
    """How often something is done that takes its time each time: kills, runs, generated examples."""
    return soak if SOAK else suite


def soak(*cases: T) -> tuple[T, ...]:
    """Cases whose kind others show already: none of them in `make test`, all in `make soak`."""
    return cases if SOAK else ()


def of_each_kind(cases: Iterable[T], kind: Callable[[T], Hashable]) -> tuple[T, ...]:
    """The first case of each kind in `make test`, all in `make soak`; in the order in which they are given."""
    every = tuple(cases)
    first = {kind(case): case for case in reversed(every)}
    return every if SOAK else tuple(case for case in every if first[kind(case)] is case)


def of_all_shown(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]]) -> tuple[T, ...]:
    """In `make test` each case that shows something that none before it does, in `make soak` all; in the order given."""
    met, kept = set[Hashable](), list[T]()
    for case in cases:
        shown = set(shows(case))
        if SOAK or not met.issuperset(shown):
            kept.append(case)
            met |= shown
    return tuple(kept)


def deep(*shown_by: str) -> pytest.MarkDecorator:
    """For a test that takes long and shows once more, or from further away, what others show: `FILE::NAME` of those.

    It is run in `make soak`, and by whoever names it or its file; `make test` leaves it out. The others are in `make test`.
    """
    return pytest.mark.deep(shown_by)


def left_out() -> tuple[str, ...]:
    """What tells pytest to leave out what is for the soak; nothing in `make soak`, which may have begun in this process."""
    return () if os.environ.get(VARIABLE) == "soak" else ("-m", "not deep")
