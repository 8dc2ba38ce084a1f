"""A batch by its plan: columns of values for the rows that are fine, and every other row with the rule that it breaks."""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress

from activities.loads.cells import zone_of
from activities.loads.records import Rows
from activities.loads.values import Broken, Cells, convert
from contracts.load import Counts, Rule
from contracts.tables import LoadPlan, TableColumn
from contracts.tables import Mapping as ColumnMapping

SHOWN = 120
"""Most characters of a value in an example."""


@dataclass
class Mapped:
    """Values by column of the table, for the rows at `lines`; `at` is each row's position in `rows`."""

    rows: Rows
    columns: dict[str, Cells]
    at: list[int]
    broken: dict[int, Broken]
    last: dict[str, str]
    """The last value of each column that never goes down."""

    @property
    def lines(self) -> list[int]:
        """The line of each row that is fine."""
        return [line_of(self.rows, at) for at in self.at]

    def value(self, column: str, at: int) -> str | None:
        """The value of a column in the row at this position of the batch, which must be fine."""
        return self.columns[column][bisect_left(self.at, at)]

    def without(self, more: Iterable[Broken]) -> "Mapped":
        """The same without rows that break a rule of the table."""
        found = {one.at: one for one in more}
        keep = [at not in found for at in self.at]
        columns = {name: list(compress(cells, keep)) for name, cells in self.columns.items()}
        return Mapped(self.rows, columns, list(compress(self.at, keep)), self.broken | found, self.last)

    def quarantine(self) -> bytes:
        """The bad rows with line, rule, value and reason, one JSON object a line; b"" if there are none."""
        return b"".join(_kept(self.rows, one) for _, one in sorted(self.broken.items()))

    def counted(self, loaded: int, duplicates: int, quarantine: Sequence[str] = ()) -> Counts:
        """What became of the rows."""
        rules: dict[str, Rule] = {}
        for _, one in sorted(self.broken.items()):
            before = rules.get(one.rule)
            example = before.example if before else f"line {line_of(self.rows, one.at)}: {_said(one)}"
            rules[one.rule] = Rule(rule=one.rule, rows=1 + (before.rows if before else 0), example=example)
        return Counts(
            rows=len(self.rows.lines),
            loaded=loaded,
            duplicates=duplicates,
            quarantined=len(self.broken),
            rules=tuple(rules.values()),
            quarantine=tuple(quarantine),
        )


def line_of(rows: Rows, at: int) -> int:
    """The line of the file in which a row begins, also if it is read again from a quarantine."""
    if "_line" in rows.header:
        said = rows.cells[at][rows.header.index("_line")]
        if said and said.isdecimal():
            return int(said)
    return rows.lines[at]


def problems(mapping: ColumnMapping, columns: Sequence[TableColumn], header: Sequence[str]) -> tuple[str, ...]:
    """Why a mapping cannot be applied, each in a sentence; none if it can."""
    known = {one.name: one for one in columns}
    named = [one.to for one in mapping.columns]
    wrong = [f"{name} is mapped twice" for name in sorted({one for one in named if named.count(one) > 1})]
    for one in mapping.columns:
        if one.to not in known:
            wrong.append(f"the table has no column {one.to!r}; it has {', '.join(known)}")
        if (one.source is None) == (one.value is None):
            wrong.append(f"{one.to}: give either source, a column of the file, or value")
        if one.source is not None and one.source not in header:
            wrong.append(f"{one.to}: the file has no column {one.source!r}; it has {', '.join(header)[:500]}")
        if one.zone is not None and zone_of(one.zone) is None:
            wrong.append(f"{one.to}: there is no zone {one.zone!r}; write one such as Europe/Berlin or UTC")
    missing = [name for name, column in known.items() if column.required and name not in named]
    if missing:
        wrong.append(f"nothing is mapped to {', '.join(missing)}, which every row needs")
    return tuple(wrong)


def apply(plan: LoadPlan, rows: Rows, last: Mapping[str, str]) -> Mapped:
    """The batch by the plan's mapping and rules. `last` has the values that its first row may not go below."""
    broken = {one.at: one for one in rows.broken}
    cells, asked = rows.columns(), {one.name: one for one in plan.columns}
    made: dict[str, Cells] = {}
    for one in plan.mapping.columns:
        given = [one.value] * len(rows.lines) if one.source is None else cells[one.source]
        made[one.to], wrong = convert(asked[one.to], one, given)
        for found in wrong:
            broken.setdefault(found.at, found)
    for name in plan.increasing:
        for found in _order(asked[name], made.get(name, []), broken, last.get(name)):
            broken.setdefault(found.at, found)
    keep = [at not in broken for at in range(len(rows.lines))] if broken else None
    columns = made if keep is None else {name: list(compress(values, keep)) for name, values in made.items()}
    at = list(range(len(rows.lines))) if keep is None else list(compress(range(len(rows.lines)), keep))
    ends = {
        name: next((one for one in reversed(columns.get(name, [])) if one is not None), last.get(name))
        for name in plan.increasing
    }
    return Mapped(rows, columns, at, broken, {name: value for name, value in ends.items() if value is not None})


def _order(column: TableColumn, cells: Cells, broken: Mapping[int, Broken], last: str | None) -> Iterable[Broken]:
    number = column.type in ("integer", "decimal", "number")
    before = last
    for at, value in enumerate(cells):
        if value is None or at in broken:
            continue
        down = before is not None and (Decimal(value) < Decimal(before) if number else value < before)
        if down:
            yield Broken(
                at, column.name, "order", value, f"it is below {before}, which stands before it, and the column never goes down"
            )
        else:
            before = value


def _kept(rows: Rows, one: Broken) -> bytes:
    row = dict(zip(rows.header, rows.cells[one.at], strict=True))
    said = {"_line": line_of(rows, one.at), "_rule": one.rule, "_column": one.column, "_value": one.value, "_why": one.why}
    # Escaped: bytes that are not in the file's encoding have no other form.
    return json.dumps({**row, **said}).encode() + b"\n"


def _said(one: Broken) -> str:
    value = "no value" if one.value is None else repr(one.value if len(one.value) <= SHOWN else one.value[:SHOWN] + "…")
    value = value.encode("ascii", "backslashreplace").decode() if "\\udc" in ascii(value) else value
    return f"{one.column or 'the row'}: {value}: {one.why}" if one.column else f"{one.why}: {value}"
