"""A column of texts becomes a column of values, or says of each text that does not which rule it breaks.

A column is looked at as a whole first, by functions that loop in C. Only where it is not clean is each cell looked at alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from activities.loads.cells import DATE, INTEGER, LONGEST, SURROGATE, WITH_ZONE, Breaks, ranged, value_of
from contracts.tables import MappedColumn, TableColumn

Cells = list[str | None]


@dataclass(frozen=True)
class Broken:
    """A cell that breaks a rule, by its position in the batch."""

    at: int
    column: str
    rule: str
    value: str | None
    why: str


def convert(wanted: TableColumn, mapped: MappedColumn, cells: Sequence[str | None]) -> tuple[Cells, list[Broken]]:
    """The values of a column, and the cells that have none that is allowed. Those are None among the values."""
    values: Cells = list(cells)
    if mapped.trim:
        values = [one if one is None else one.strip() for one in values] if None in values else list(map(str.strip, values))  # type: ignore[arg-type]
    nulls = frozenset(mapped.nulls)
    if not nulls.isdisjoint(values):
        values = [None if one in nulls else one for one in values]
    present = [one for one in values if one is not None] if None in values else values
    clean = _clean(wanted, mapped, present)  # type: ignore[arg-type]  # no None is left among them
    if clean is not None and (len(present) == len(values) or not wanted.required):
        found = iter(clean)
        return (list(clean) if len(present) == len(values) else [None if one is None else next(found) for one in values]), []
    return _one_by_one(wanted, mapped, values)


def _one_by_one(wanted: TableColumn, mapped: MappedColumn, values: Cells) -> tuple[Cells, list[Broken]]:
    made: Cells = []
    broken: list[Broken] = []
    for at, text in enumerate(values):
        try:
            if text is None and wanted.required:
                raise Breaks("required", "there is no value, and the column needs one")
            made.append(None if text is None else value_of(wanted, mapped, text))
        except Breaks as error:
            made.append(None)
            broken.append(Broken(at, wanted.name, error.rule, text, error.why))
    return made, broken


def _clean(wanted: TableColumn, mapped: MappedColumn, cells: Sequence[str]) -> Sequence[str] | None:
    """The values, if every cell is fine as a glance at the whole column shows; None if each has to be looked at."""
    if not cells:
        return cells
    if wanted.choices and not frozenset(wanted.choices).issuperset(cells):
        return None
    if wanted.type == "text":
        return cells if _clean_text(wanted, cells) else None
    if wanted.type in ("integer", "decimal"):
        fits = (INTEGER if wanted.type == "integer" else decimal_shape(wanted.places, wanted.digits)).fullmatch
        if mapped.decimal != "point" or not all(map(fits, cells)):
            return None
        return cells if _within(wanted, cells) else None
    if wanted.type == "date" and mapped.date == "iso" and not ranged(wanted):
        return cells if all(map(DATE.fullmatch, cells)) and _all(date.fromisoformat, cells) else None
    if wanted.type == "datetime" and mapped.date == "iso" and all(map(WITH_ZONE.fullmatch, cells)):
        return _times(cells)
    return None


def _times(cells: Sequence[str]) -> Sequence[str] | None:
    try:
        return [one.isoformat() for one in map(datetime.fromisoformat, cells)]
    except ValueError:
        return None


def _clean_text(wanted: TableColumn, cells: Sequence[str]) -> bool:
    joined = "".join(cells)
    if "\0" in joined or (not joined.isascii() and SURROGATE.search(joined)):
        return False
    longest = min(LONGEST, LONGEST if wanted.longest is None else wanted.longest)
    if max(map(len, cells)) > longest or (wanted.shortest and min(map(len, cells)) < wanted.shortest):
        return False
    return wanted.pattern is None or all(map(re.compile(wanted.pattern).search, cells))


def _within(wanted: TableColumn, cells: Sequence[str]) -> bool:
    if not ranged(wanted):
        return True
    numbers: list[Decimal] = list(map(Decimal, cells))
    low, high = min(numbers), max(numbers)
    return (
        (wanted.least is None or low >= Decimal(wanted.least))
        and (wanted.above is None or low > Decimal(wanted.above))
        and (wanted.most is None or high <= Decimal(wanted.most))
        and (wanted.below is None or high < Decimal(wanted.below))
    )


def _all(take: Callable[[str], object], cells: Sequence[str]) -> bool:
    try:
        for _ in map(take, cells):
            pass
    except ValueError:
        return False
    return True


@lru_cache(maxsize=200)
def decimal_shape(places: int | None, digits: int | None) -> re.Pattern[str]:
    """Decimals with at most so many digits after the point, and in all."""
    after = 30 if places is None else places
    before = 30 if digits is None else max(digits - (places or 0), 0)
    fraction = f"(?:\\.[0-9]{{1,{after}}})?" if after else ""
    return re.compile(f"-?[0-9]{{1,{max(before, 1)}}}{fraction}", re.ASCII)
