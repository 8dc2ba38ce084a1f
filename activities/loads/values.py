"""A column of texts becomes a column of values, or says of each text that does not which rule it breaks.

A column is looked at as a whole first, by functions that loop in C. Only where it is not clean is each cell looked at alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.tables import MappedColumn, TableColumn

Cells = list[str | None]

LONGEST = 16 * 1024 * 1024
"""Most characters of one cell."""

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"-?(?:[0-9]{1,30}(?:\.[0-9]{1,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,6})?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?",
    re.ASCII,
)
_WITH_ZONE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_OTHER_DATE = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})((?:[T ].*)?)", re.ASCII)
_BOOLEANS = {"true": "1", "false": "0", "1": "1", "0": "0", "t": "1", "f": "0", "yes": "1", "no": "0"}
_SURROGATE = re.compile("[\udc80-\udcff]")


class Breaks(Exception):
    """A value breaks a rule: which one, and why."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(why)
        self.rule = rule
        self.why = why


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


def value_of(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    """One value, spelt as the database takes it. Raises `Breaks`."""
    if len(text) > LONGEST:
        raise Breaks("size", f"it has {len(text)} characters; at most {LONGEST} are taken")
    if _SURROGATE.search(text):
        raise Breaks("encoding", "it holds bytes that are not in the file's encoding")
    if "\0" in text:
        raise Breaks("type", "it holds a NUL character, which no database takes")
    made = _MAKERS[wanted.type](wanted, mapped, text)
    if wanted.choices and made not in wanted.choices and text not in wanted.choices:
        raise Breaks("choices", f"it is none of {', '.join(wanted.choices)[:200]}")
    _in_range(wanted, made)
    return made


def _clean(wanted: TableColumn, mapped: MappedColumn, cells: Sequence[str]) -> Sequence[str] | None:
    """The values, if every cell is fine as a glance at the whole column shows; None if each has to be looked at."""
    if not cells:
        return cells
    if wanted.choices and not frozenset(wanted.choices).issuperset(cells):
        return None
    if wanted.type == "text":
        return cells if _clean_text(wanted, cells) else None
    if wanted.type in ("integer", "decimal"):
        fits = (_INTEGER if wanted.type == "integer" else decimal_shape(wanted.places, wanted.digits)).fullmatch
        if mapped.decimal != "point" or not all(map(fits, cells)):
            return None
        return cells if _within(wanted, cells) else None
    if wanted.type == "date" and mapped.date == "iso" and not _ranged(wanted):
        return cells if all(map(_DATE.fullmatch, cells)) and _all(date.fromisoformat, cells) else None
    if wanted.type == "datetime" and mapped.date == "iso" and all(map(_WITH_ZONE.fullmatch, cells)):
        return _times(cells)
    return None


def _times(cells: Sequence[str]) -> Sequence[str] | None:
    try:
        return [one.isoformat() for one in map(datetime.fromisoformat, cells)]
    except ValueError:
        return None


def _clean_text(wanted: TableColumn, cells: Sequence[str]) -> bool:
    joined = "".join(cells)
    if "\0" in joined or (not joined.isascii() and _SURROGATE.search(joined)):
        return False
    longest = min(LONGEST, LONGEST if wanted.longest is None else wanted.longest)
    if max(map(len, cells)) > longest or (wanted.shortest and min(map(len, cells)) < wanted.shortest):
        return False
    return wanted.pattern is None or all(map(re.compile(wanted.pattern).search, cells))


def _within(wanted: TableColumn, cells: Sequence[str]) -> bool:
    if not _ranged(wanted):
        return True
    numbers = list(map(int if wanted.type == "integer" else Decimal, cells))
    low, high = min(numbers), max(numbers)
    return (
        (wanted.least is None or low >= Decimal(wanted.least))
        and (wanted.above is None or low > Decimal(wanted.above))
        and (wanted.most is None or high <= Decimal(wanted.most))
        and (wanted.below is None or high < Decimal(wanted.below))
    )


def _ranged(wanted: TableColumn) -> bool:
    return any(one is not None for one in (wanted.least, wanted.most, wanted.above, wanted.below))


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


def _in_range(wanted: TableColumn, made: str) -> None:
    if not _ranged(wanted) or wanted.type not in ("integer", "decimal", "number"):
        return
    number = Decimal(made)
    for limit, wrong, word in (
        (wanted.least, number.__lt__, "smaller than"),
        (wanted.most, number.__gt__, "larger than"),
        (wanted.above, number.__le__, "not above"),
        (wanted.below, number.__ge__, "not below"),
    ):
        if limit is not None and wrong(Decimal(limit)):
            raise Breaks("range", f"it is {word} {limit}")


def _text(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    del mapped
    if wanted.longest is not None and len(text) > wanted.longest:
        raise Breaks("length", f"it has {len(text)} characters; at most {wanted.longest} are allowed")
    if wanted.shortest is not None and len(text) < wanted.shortest:
        raise Breaks("length", f"it has {len(text)} characters; at least {wanted.shortest} are needed")
    if wanted.pattern is not None and not re.search(wanted.pattern, text):
        raise Breaks("pattern", f"it does not match {wanted.pattern[:120]}")
    return text


def _plain(mapped: MappedColumn, text: str) -> str:
    """A number with a point and without separators. Raises `Breaks` for one that can be read in two ways."""
    comma = mapped.decimal == "comma"
    point, group = (",", ".") if comma else (".", ",")
    whole, mark, fraction = text.partition(point)
    if group in whole or " " in whole or "'" in whole:
        if not mapped.grouped:
            said = f"{text[:40]!r} has {group!r} in it, and the mapping says that numbers have a decimal {mapped.decimal}"
            raise Breaks("number", f"{said} and no separators; say decimal or grouped if that is wrong")
        if not re.fullmatch(r"-?[0-9]{1,3}(?:[.,' ][0-9]{3})+", whole):
            raise Breaks("number", "its separators are not between thousands")
        whole = re.sub(r"[.,' ]", "", whole)
    return f"{whole}.{fraction}" if mark else whole


def _integer(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    del wanted
    plain = _plain(mapped, text).removesuffix(".0")
    if not _INTEGER.fullmatch(plain):
        raise Breaks("type", "it is no whole number of at most 18 digits")
    return plain


def _decimal(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    plain = _plain(mapped, text)
    if not _DECIMAL.fullmatch(plain):
        raise Breaks("type", "it is no decimal number")
    if wanted.places is not None and len(plain.partition(".")[2].rstrip("0")) > wanted.places:
        raise Breaks("places", f"it has more than {wanted.places} digits after the point, and would be rounded")
    if wanted.digits is not None and len(plain.partition(".")[0].lstrip("-").lstrip("0")) > wanted.digits - (
        wanted.places or 0
    ):
        raise Breaks("range", f"it has more digits than the column's {wanted.digits}")
    return plain


def _number(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    del wanted
    plain = _plain(mapped, text)
    if not _NUMBER.fullmatch(plain):
        raise Breaks("type", "it is no number")
    return plain


def _boolean(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    del wanted, mapped
    found = _BOOLEANS.get(text.lower())
    if found is None:
        raise Breaks("type", "it is neither true nor false")
    return found


def _date(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    del wanted
    iso = _iso(mapped, text)
    if not _DATE.fullmatch(iso):
        raise Breaks("type", f"it is no date as {_FORMS[mapped.date]}")
    try:
        return date.fromisoformat(iso).isoformat()
    except ValueError:
        raise Breaks("type", "there is no such day") from None


def _datetime(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    del wanted
    iso = _iso(mapped, text)
    matched = _DATETIME.fullmatch(iso)
    if matched is None:
        raise Breaks("type", f"it is no date and time as {_FORMS[mapped.date]} 10:30:00")
    try:
        found = datetime.fromisoformat(iso.replace(",", "."))
    except ValueError:
        raise Breaks("type", "there is no such time") from None
    if found.tzinfo is not None:
        return found.isoformat()
    if mapped.zone is None:
        raise Breaks("zone", "it names no zone, and neither does the mapping")
    return _in_zone(found, mapped.zone).isoformat()


_FORMS = {"iso": "2026-01-31", "day_first": "31.01.2026", "month_first": "01/31/2026"}


def _iso(mapped: MappedColumn, text: str) -> str:
    if mapped.date == "iso":
        return text
    matched = _OTHER_DATE.fullmatch(text)
    if matched is None:
        return ""
    first, _, second, year, rest = matched.groups()
    day, month = (first, second) if mapped.date == "day_first" else (second, first)
    return f"{year}-{int(month):02}-{int(day):02}{rest}"


def zone_of(name: str) -> ZoneInfo | None:
    """The zone of this name; None where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _in_zone(local: datetime, name: str) -> datetime:
    zone = zone_of(name)
    if zone is None:
        raise Breaks("zone", f"there is no zone {name!r}")
    early, late = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if early.utcoffset() != late.utcoffset():
        twice = early.utcoffset() > late.utcoffset()  # type: ignore[operator]  # both have one
        raise Breaks("zone", f"this time {'happens twice' if twice else 'does not exist'} in {name}: clocks are changed there")
    return early


_MAKERS: dict[str, Callable[[TableColumn, MappedColumn, str], str]] = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}
