"""Few cases that together show everything that all of them show: for `make test`, where each case by itself costs seconds."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from tests.depth import SOAK

T = TypeVar("T")


def of_all_shown(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]]) -> tuple[T, ...]:
    """In `make test` each case that shows something that none before it does, in `make soak` all; in the order given."""
    met, kept = set[Hashable](), list[T]()
    for case in cases:
        shown = set(shows(case))
        if SOAK or not met.issuperset(shown):
            kept.append(case)
            met |= shown
    return tuple(kept)
