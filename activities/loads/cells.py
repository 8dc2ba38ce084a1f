"""One text as one value of its column, or the rule that it breaks."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.tables import MappedColumn, TableColumn

LONGEST = 16 * 1024 * 1024
"""Most characters of one cell."""

INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"-?(?:[0-9]{1,30}(?:\.[0-9]{1,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,6})?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?",
    re.ASCII,
)
WITH_ZONE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_OTHER_DATE = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})((?:[T ].*)?)", re.ASCII)
_BOOLEANS = {"true": "1", "false": "0", "1": "1", "0": "0", "t": "1", "f": "0", "yes": "1", "no": "0"}
SURROGATE = re.compile("[\udc80-\udcff]")


class Breaks(Exception):
    """A value breaks a rule: which one, and why."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(why)
        self.rule = rule
        self.why = why


def value_of(wanted: TableColumn, mapped: MappedColumn, text: str) -> str:
    """One value, spelt as the database takes it. Raises `Breaks`."""
    if len(text) > LONGEST:
        raise Breaks("size", f"it has {len(text)} characters; at most {LONGEST} are taken")
    if SURROGATE.search(text):
        raise Breaks("encoding", "it holds bytes that are not in the file's encoding")
    if "\0" in text:
        raise Breaks("type", "it holds a NUL character, which no database takes")
    made = _MAKERS[wanted.type](wanted, mapped, text)
    if wanted.choices and made not in wanted.choices and text not in wanted.choices:
        raise Breaks("choices", f"it is none of {', '.join(wanted.choices)[:200]}")
    _in_range(wanted, made)
    return made


def ranged(wanted: TableColumn) -> bool:
    """True if its values have a smallest or a largest one."""
    return any(one is not None for one in (wanted.least, wanted.most, wanted.above, wanted.below))


def _in_range(wanted: TableColumn, made: str) -> None:
    if not ranged(wanted) or wanted.type not in ("integer", "decimal", "number"):
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
    if not INTEGER.fullmatch(plain):
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
    if not DATE.fullmatch(iso):
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
