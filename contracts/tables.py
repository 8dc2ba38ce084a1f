"""Tables that rows are loaded into, mappings of files to them, and what a load approves: its plan."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Contract, Digest, Input, Line, is_empty, is_none
from contracts.step_resources import Name

COLUMN = r"^[a-z_][a-z0-9_]{0,62}$"
ColumnName = Annotated[str, Field(pattern=COLUMN)]
"""A column of a table, in small letters."""

TABLE = r"^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$"
TableName = Annotated[str, Field(pattern=TABLE)]
"""A table, with its schema where it has one."""

REFERENCE = r"^(?:[a-z_][a-z0-9_]{0,62}\.){1,2}[a-z_][a-z0-9_]{0,62}$"

ColumnType = Literal["text", "integer", "decimal", "number", "boolean", "date", "datetime"]
Format = Literal["csv", "jsonl", "parquet"]


class Corrections(Input):
    """The statements of the target that take a difference back, by what differs."""

    insert: Name | None = Field(default=None, description="adds a row that only the file has")
    update: Name | None = Field(default=None, description="gives a row the values of the file")
    delete: Name | None = Field(default=None, description="removes a row that only the table has")


class TableSetting(Input):
    """One table that rows may be loaded into: `[targets.NAME.tables.TABLE]`."""

    about: str = Field(min_length=1, max_length=300, description="what it holds; whoever approves reads it")
    table: TableName = Field(description="the table in the database, with its schema where it has one")
    row: Line = Field(
        min_length=1,
        max_length=1000,
        description="what a row has to be: a file with a JSON Schema, or MODULE:CLASS of pydantic",
    )
    key: tuple[ColumnName, ...] = Field(min_length=1, max_length=8, description="the columns that say which row it is")
    unique: tuple[tuple[ColumnName, ...], ...] = Field(default=(), description="further columns that no two rows share")
    increasing: tuple[ColumnName, ...] = Field(default=(), description="columns that never go down from row to row of a file")
    references: dict[ColumnName, Annotated[str, Field(pattern=REFERENCE)]] = Field(
        default={}, description="columns whose value must be in another table: column to TABLE.COLUMN"
    )
    corrections: Corrections = Field(default=Corrections(), description="statements of this target that take a difference back")


class TableColumn(Contract):
    """What the contract of a table asks of one column."""

    name: ColumnName
    type: ColumnType
    required: bool = Field(default=True, description="whether a row must have a value")
    about: str = ""
    shortest: int | None = Field(default=None, exclude_if=is_none, description="fewest characters")
    longest: int | None = Field(default=None, exclude_if=is_none, description="most characters")
    pattern: str | None = Field(default=None, exclude_if=is_none)
    choices: tuple[str, ...] = Field(default=(), exclude_if=is_empty)
    least: str | None = Field(default=None, exclude_if=is_none, description="smallest value")
    most: str | None = Field(default=None, exclude_if=is_none, description="largest value")
    above: str | None = Field(default=None, exclude_if=is_none, description="every value is larger than this")
    below: str | None = Field(default=None, exclude_if=is_none, description="every value is smaller than this")
    places: int | None = Field(default=None, exclude_if=is_none, description="most digits after the point")
    digits: int | None = Field(default=None, exclude_if=is_none, description="most digits in all")

    def rules(self) -> str:
        """What it asks, in a few words."""
        said = {
            "at least": self.least,
            "at most": self.most,
            "above": self.above,
            "below": self.below,
            "shortest": self.shortest,
            "longest": self.longest,
            "pattern": self.pattern,
            "places": self.places,
            "one of": "|".join(self.choices)[:200] or None,
        }
        parts = [self.type, *(() if self.required else ("may be missing",))]
        return ", ".join([*parts, *(f"{word} {value}" for word, value in said.items() if value is not None)])


class MappedColumn(Contract):
    """Where one column of the table gets its value from: a column of the file (`source`), or always the same (`value`)."""

    to: ColumnName = Field(description="the column of the table")
    source: str | None = Field(default=None, max_length=200, description="the column of the file, as its header spells it")
    value: str | None = Field(default=None, max_length=1000, description="the value of every row, in place of a source")
    trim: bool = Field(default=True, description="whether spaces around the value are left out")
    nulls: tuple[str, ...] = Field(default=("",), max_length=20, description="texts that mean that there is no value")
    decimal: Literal["point", "comma"] = Field(default="point", description="what is before the fraction of a number")
    grouped: bool = Field(default=False, description="whether numbers may have separators between thousands")
    date: Literal["iso", "day_first", "month_first"] = Field(default="iso", description="the order in which dates are written")
    zone: str | None = Field(default=None, max_length=60, description="zone of times that name none, such as Europe/Berlin")

    def said(self) -> str:
        """The mapping in one line."""
        if self.source is None:
            return f"{self.to} = {self.value!r} in every row"
        unlike = {
            "decimal comma": self.decimal == "comma",
            "grouped": self.grouped,
            f"dates {self.date.replace('_', ' ')}": self.date != "iso",
            f"zone {self.zone}": self.zone is not None,
            "not trimmed": not self.trim,
            f"no value: {', '.join(map(repr, self.nulls))}": self.nulls != ("",),
        }
        how = ", ".join(name for name, holds in unlike.items() if holds)
        return f"{self.to} from {self.source!r}" + (f" ({how})" if how else "")


class Mapping(Contract, name="mapping/1"):
    """How the columns of a file become those of a table. Code applies it; no row is shown to whoever writes it."""

    columns: tuple[MappedColumn, ...] = Field(min_length=1, max_length=200)


class Source(Contract):
    """A file below a declared folder, as it was read: everything that says how its bytes become rows."""

    folder: str = Field(default="", description="which [folders.NAME] of the worker")
    file: str = Field(description="path below the folder")
    digest: Digest = Field(description="SHA-256 of the whole file")
    size: int
    format: Format
    encoding: str = ""
    delimiter: str = ""
    artifact: str = Field(default="", exclude_if=is_empty, description="the quarantine that is read in place of a file")


class Batch(Contract):
    """Rows that are loaded together: where their bytes are, and the digest by which a changed file is noticed."""

    offset: int
    size: int
    line: int = Field(description="line of the first row")
    rows: int
    digest: Digest


class LoadPlan(Contract, name="load_plan/1"):
    """All that is approved before rows are loaded: the bytes of the file, the mapping, the rules and the table."""

    source: Source
    header: tuple[str, ...]
    mapping: Mapping
    target: str
    table: str = Field(description="the declared name")
    into: str = Field(description="the table in the database")
    columns: tuple[TableColumn, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    increasing: tuple[str, ...] = ()
    references: dict[str, str] = Field(default_factory=dict)
    batches: tuple[Batch, ...]

    @property
    def rows(self) -> int:
        """Rows of the file, bad ones included."""
        return sum(one.rows for one in self.batches)
