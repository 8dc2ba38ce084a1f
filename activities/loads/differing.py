"""How two tables of one database differ, by queries there: nothing but the differences is read. PostgreSQL and SQLite."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, text

from activities.loads.staging import quoted
from contracts.reconcile import Cell, Difference, DifferenceKind

MOST = 10_000
"""Most differences of each kind that are kept."""

LONGEST = 2000
"""Most characters of a value that are kept. One that is longer is shown in part, and is never written to the table so."""

TWICE = "baton_twice"

Values = dict[str, str | None]
Kinds = tuple[DifferenceKind, DifferenceKind]


@dataclass(frozen=True)
class Pair:
    """Two tables that are compared by the key, column by column."""

    left: str
    right: str
    columns: tuple[str, ...]
    """The columns of both, with the key."""
    key: tuple[str, ...]
    numbers: Mapping[str, Decimal] = field(default_factory=dict)
    """Columns compared as numbers, with how far these may be apart; the others are compared as they are."""
    own: tuple[str, ...] = ()
    """Further columns of the right one, which say there which row it is."""
    lines: tuple[bool, bool] = (True, False)
    """Whether the left one and the right one have `baton_line`."""
    words: tuple[str, str] = ("the file", "the table")
    kinds: Kinds = ("only_in_file", "only_in_table")
    """What a row is called that one of them has alone."""


def found(connection: Connection, pair: Pair) -> Iterator[tuple[Difference, Values]]:
    """Each difference, with the values that would mend it. A key that a side has twice is one difference, and not compared."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.create_function("baton_near", 3, _near_in_sqlite, deterministic=True)
    _keep_twice(connection, pair)
    yield from _twice(connection, pair)
    yield from _alone(connection, pair, 0)
    yield from _values(connection, pair)
    yield from _alone(connection, pair, 1)


def _keep_twice(connection: Connection, pair: Pair) -> None:
    """The keys that a side has more than once, with how often each side has them."""
    keys = ", ".join(quoted(pair.key))
    there = " and ".join(f'"{one}" is not null' for one in pair.key)
    line = [("baton_line" if lined else "0") for lined in pair.lines]
    both = (
        f"select {keys}, 1 as l, 0 as r, {line[0]} as line from {pair.left} where {there} "  # noqa: S608 (names of the settings)
        f"union all select {keys}, 0, 1, 0 from {pair.right} where {there}"
    )
    counts = "sum(l) as l, sum(r) as r, coalesce(min(nullif(line, 0)), 0) as line"
    grouped = f"select {keys}, {counts} from ({both}) both_sides group by {keys}"  # noqa: S608 (names of the settings)
    connection.execute(text(f"drop table if exists {TWICE}"))
    connection.execute(text(f"create temporary table {TWICE} as {grouped} having sum(l) > 1 or sum(r) > 1"))


def _twice(connection: Connection, pair: Pair) -> Iterator[tuple[Difference, Values]]:
    keys = ", ".join(quoted(pair.key))
    query = f"select l, r, line, {keys} from {TWICE} order by {keys} limit {MOST}"  # noqa: S608 (names of the settings)
    for l, r, line, *key in connection.execute(text(query)):  # noqa: E741  the columns' own names
        named = dict(zip(pair.key, map(str, key), strict=True))
        yield _difference(pair, "duplicate", named, line, rows=(int(l), int(r))), {}


def _once(pair: Pair, of: str) -> str:
    same = " and ".join(f'd."{one}" = {of}."{one}"' for one in pair.key)
    return f"not exists (select 1 from {TWICE} d where {same})"  # noqa: S608 (names of the settings)


def _alone(connection: Connection, pair: Pair, side: int) -> Iterator[tuple[Difference, Values]]:
    """Rows that one side has alone, those without a whole key among them."""
    here, other = (pair.left, pair.right) if side == 0 else (pair.right, pair.left)
    on = " and ".join(f's."{one}" = t."{one}"' for one in pair.key)
    names = (*pair.columns, *(pair.own if side else ()))
    line = "s.baton_line" if pair.lines[side] else "0"
    order = ", ".join(quoted(pair.key, "s."))
    query = (
        f"select {line}, {', '.join(quoted(names, 's.'))} from {here} s left join {other} t on {on} "  # noqa: S608 (as above)
        f'where t."{pair.key[0]}" is null and {_once(pair, "s")} order by {order} limit {MOST}'
    )
    for row in connection.execute(text(query)):
        values = {name: _said(value) for name, value in zip(names, row[1:], strict=True)}
        key = {name: str(values[name]) for name in pair.key}
        yield _difference(pair, pair.kinds[side], key, row[0]), values


def _values(connection: Connection, pair: Pair) -> Iterator[tuple[Difference, Values]]:
    """Rows of both sides with a value that differs."""
    sqlite, others = connection.dialect.name == "sqlite", [one for one in pair.columns if one not in pair.key]
    if not others:
        return
    on = " and ".join(f's."{one}" = t."{one}"' for one in pair.key)
    apart = " or ".join(_apart(name, name in pair.numbers, sqlite=sqlite) for name in others)
    mine, theirs = quoted(pair.columns, "s."), quoted((*others, *pair.own), "t.")
    line = "s.baton_line" if pair.lines[0] else "0"
    query = (
        f"select {line}, {', '.join((*mine, *theirs))} from {pair.left} s join {pair.right} t on {on} "  # noqa: S608 (as above)
        f"where ({apart}) and {_once(pair, 's')} order by {', '.join(quoted(pair.key, 's.'))} limit {MOST}"
    )
    tolerances = {f"near_{name}": str(most) for name, most in pair.numbers.items() if name in others}
    for row in connection.execute(text(query), tolerances):
        at = 1 + len(pair.columns)
        left = dict(zip(pair.columns, row[1:at], strict=True))
        right = dict(zip((*others, *pair.own), row[at:], strict=True))
        values = {name: _said(value) for name, value in left.items()} | {name: _said(right[name]) for name in pair.own}
        key = {name: str(left[name]) for name in pair.key}
        yield _difference(pair, "values", key, row[0], _cells(pair, others, left, right)), values


def _apart(name: str, number: bool, *, sqlite: bool) -> str:
    differ = f's."{name}" {"is not" if sqlite else "is distinct from"} t."{name}"'
    if not number:
        return f"({differ})"
    if sqlite:
        return f'({differ} and not baton_near(s."{name}", t."{name}", :near_{name}))'
    near = f'abs(s."{name}"::numeric - t."{name}"::numeric) <= cast(:near_{name} as numeric)'
    return f"({differ} and not coalesce({near}, false))"


def near(one: object, other: object, most: Decimal) -> bool:
    """Whether two values are numbers that are at most so far apart, counted exactly."""
    try:
        return abs(Decimal(str(one)) - Decimal(str(other))) <= most
    except InvalidOperation:
        return False


def _near_in_sqlite(one: object, other: object, most: str) -> bool:
    return near(one, other, Decimal(most))


def _cells(pair: Pair, others: Sequence[str], left: Mapping[str, Any], right: Mapping[str, Any]) -> tuple[Cell, ...]:
    return tuple(
        Cell(column=name, file=_said(left[name]), table=_said(right[name]))
        for name in others
        if left[name] != right[name] and not (name in pair.numbers and near(left[name], right[name], pair.numbers[name]))
    )


def _difference(
    pair: Pair,
    kind: DifferenceKind,
    key: dict[str, str],
    line: int,
    cells: tuple[Cell, ...] = (),
    rows: tuple[int, int] | None = None,
) -> Difference:
    return Difference(kind=kind, key=key, line=line, cells=cells, rows=rows, left=pair.words[0], right=pair.words[1])


def _said(value: Any) -> str | None:
    said = None if value is None else str(value)
    return said if said is None or len(said) <= LONGEST else f"{said[:LONGEST]}…"
