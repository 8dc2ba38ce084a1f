"""How deep the tests go. `make test` has each promise meet each kind of case once; `make soak` has it meet them all, and often.

Both run the same test functions. What differs is how many kills, examples or cases of one kind they are given here.
"""

import os
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

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
