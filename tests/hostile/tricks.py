"""What a hostile repository is: how it is made, what it is refused for, and what it does to whoever is careless."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.world import World

Make = Callable[[World, Path], Path]
Careless = Callable[[World, Path, Path], set[str]]


@dataclass(frozen=True)
class Trick:
    """One way to attack. `make` builds the repository in a folder and returns its address.

    `refused` is the reason with which it is refused, as a pattern; "" means that work on it goes on. `careless` does with it
    what a naive application would; it must show `trips`, or the trick proves nothing.
    """

    name: str
    make: Make
    careless: Careless
    trips: frozenset[str]
    refused: str = ""
    revision: str | None = None

    def __str__(self) -> str:
        return self.name


def trips(*marks: str) -> frozenset[str]:
    """The marks that a careless application shows."""
    return frozenset(marks)
