"""What a child may have of its parent's money: an equal part, more where nothing is promised to its siblings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from contracts.money import usd


@dataclass(frozen=True)
class Slice:
    """A child's part of what `parent` may spend: of `among` children, which are called `group` and a name."""

    parent: str
    group: str
    name: str
    among: int
    kept_back: int

    @property
    def id(self) -> str:
        """The id of its scope."""
        return f"{self.parent}/{self.group}/{self.name}"


@dataclass(frozen=True)
class Share:
    """What is open to a child's next call, why it is no more, and how high the slice is with that call in it."""

    room: int
    why: str
    ceiling: int


def share_of(parent: Row[Any], slices: Mapping[str, Row[Any]], wanted: Slice, amount: int) -> Share:
    """The share of a call of at most `amount`, which its parent holds already, beside these slices of the same parent.

    A child that begins gets an equal part of what is free, and one call at least. One that has used up its part gets what
    nobody is promised: siblings that have begun what is left of theirs, those that have not an equal part each.
    """
    mine, to_come = slices.get(wanted.id), _not_begun(slices, wanted)
    used = 0 if mine is None else mine.spent + mine.held
    usable = parent.ceiling - parent.ceiling * wanted.kept_back // 1000
    begun = sum(_left(row) for row in slices.values() if row.id != wanted.id)
    free = usable - parent.spent - (parent.held - amount) - begun
    part = max(free + used, 0) // (to_come + 1)
    if mine is None:
        return Share(free, _why(begun), max(amount, part))
    # It has ended and was given back, and yet calls once more, as after a reset: it takes of what is free.
    if mine.closed_at is not None:
        return Share(free, _why(begun), used + amount)
    return Share(free - part * to_come, _why(begun + part * to_come, to_come), used + amount)


def _not_begun(begun: Iterable[str], wanted: Slice) -> int:
    """How many siblings of the same group have neither called nor ended: those have no row yet."""
    group = wanted.id.removesuffix(wanted.name)
    names = {one.removeprefix(group) for one in begun if one.startswith(group)}
    return max(wanted.among - len({name for name in names if "/" not in name} | {wanted.name}), 0)


def _left(row: Row[Any]) -> int:
    """What is left to a child; nothing once it has ended."""
    return max(row.ceiling - row.spent - row.held, 0) if row.closed_at is None else 0


def _why(promised: int, to_come: int = 0) -> str:
    begun = f", {to_come} of which {'has' if to_come == 1 else 'have'} not begun" if to_come else ""
    return f"{usd(promised)} of it is promised to other children{begun}; " if promised else ""
