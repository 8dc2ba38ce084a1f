"""How much of its parent's money a child may spend: an equal part, and more if that is not promised to its siblings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from contracts.money import usd


@dataclass(frozen=True)
class Slice:
    """A child's part of what the scope `parent` may spend: one of `among` children, each named `group`/`name`."""

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
    """What a child may still spend, why not more, and its slice's ceiling after the call. Micro-dollars."""

    room: int
    why: str
    ceiling: int


def share_of(parent: Row[Any], slices: Mapping[str, Row[Any]], wanted: Slice, amount: int) -> Share:
    """The share for a call of at most `amount`, which the parent holds already. `slices` are all of the same parent.

    A child's first call gets an equal part of what is free, and at least the call itself. A child that has used up its part
    gets what is not promised: siblings that have begun keep the rest of theirs, the others have an equal part each.
    """
    mine, to_come = slices.get(wanted.id), _not_begun(slices, wanted)
    used = 0 if mine is None else mine.spent + mine.held
    usable = parent.ceiling - parent.ceiling * wanted.kept_back // 1000
    begun = sum(_left(row) for row in slices.values() if row.id != wanted.id)
    # The parent holds this very call already, which must not count against itself.
    free = usable - parent.spent - (parent.held - amount) - begun
    part = max(free + used, 0) // (to_come + 1)
    if mine is None:
        return Share(free, _why(begun), max(amount, part))
    # It ended and was given back, yet calls once more, as after a reset: it draws on what is free.
    if mine.closed_at is not None:
        return Share(free, _why(begun), used + amount)
    return Share(free - part * to_come, _why(begun + part * to_come, to_come), used + amount)


def _not_begun(begun: Iterable[str], wanted: Slice) -> int:
    """How many siblings of the group have neither called nor ended: only those have no row."""
    group = wanted.id.removesuffix(wanted.name)
    names = {one.removeprefix(group) for one in begun if one.startswith(group)}
    return max(wanted.among - len({name for name in names if "/" not in name} | {wanted.name}), 0)


def _left(row: Row[Any]) -> int:
    """What is left of a child's slice; nothing once it has ended."""
    return max(row.ceiling - row.spent - row.held, 0) if row.closed_at is None else 0


def _why(promised: int, to_come: int = 0) -> str:
    begun = f", {to_come} of which {'has' if to_come == 1 else 'have'} not begun" if to_come else ""
    return f"{usd(promised)} of it is promised to other children{begun}; " if promised else ""
