"""How a file and a table differ, row by row, and what takes a difference back."""

from typing import Literal

from pydantic import Field

from contracts.base import Contract, is_empty, is_none
from contracts.intents import Intent
from contracts.text import amount

THE_FILE, THE_TABLE = "the file", "the table"


def _is_the_file(value: str) -> bool:
    return value == THE_FILE


def _is_the_table(value: str) -> bool:
    return value == THE_TABLE


DifferenceKind = Literal["only_in_file", "only_in_table", "only_in_left", "only_in_right", "values", "duplicate"]


class Cell(Contract):
    """One column in which a row differs."""

    column: str
    file: str | None = Field(description="the left value: of the file, or of what is named first")
    table: str | None = Field(description="the right value: of the table, or of what is named second")


class Difference(Contract):
    """A row that is on one side alone, whose values are further apart than the tolerance, or whose key is there twice."""

    kind: DifferenceKind
    key: dict[str, str]
    line: int = Field(default=0, exclude_if=is_empty, description="line of the file")
    cells: tuple[Cell, ...] = Field(default=(), exclude_if=is_empty)
    rows: tuple[int, int] | None = Field(
        default=None, exclude_if=is_none, description="of a duplicate: how many rows each side has with this key"
    )
    left: str = Field(default=THE_FILE, exclude_if=_is_the_file, description="what the left side is")
    right: str = Field(default=THE_TABLE, exclude_if=_is_the_table, description="what the right side is")

    def said(self) -> str:
        """In one line."""
        row = ", ".join(f"{name} {value}" for name, value in self.key.items())
        cells = ", ".join(f"{one.column}: {one.file} in {self.left}, {one.table} in {self.right}" for one in self.cells)
        where = f", line {self.line}" if self.line else ""
        if self.rows is not None:
            cells = f"{amount(self.rows[0], 'row')} in {self.left}, {self.rows[1]} in {self.right}; none is compared"
        return f"{row}{where}" + (f": {cells}" if cells else "")


class Correction(Contract):
    """The action that takes a difference back, ready to be performed."""

    intent: Intent
    arguments: str
    facts: tuple[str, ...] = ()


class Reconciled(Contract, name="reconciled/1", brief=True):
    """How file and table differ: the first differences, how many more there are, and what would take them back."""

    compared: int = Field(description="rows of the file that could be compared")
    bad: int = Field(default=0, description="rows of the file that break a rule, and were not compared")
    differences: tuple[Difference, ...] = ()
    more: int = 0
    artifact: str = ""
    corrections: tuple[Correction, ...] = ()
    alone: str = Field(default="", exclude_if=is_empty, description="columns of one file alone, which are not compared")
