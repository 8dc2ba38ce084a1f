"""How a file and a table differ, row by row, and what takes a difference back."""

from typing import Literal

from pydantic import Field

from contracts.base import Contract, is_empty
from contracts.intents import Intent

DifferenceKind = Literal["only_in_file", "only_in_table", "values"]


class Cell(Contract):
    """One column in which a row differs."""

    column: str
    file: str | None
    table: str | None


class Difference(Contract):
    """A row that is on one side alone, or whose values are further apart than the tolerance."""

    kind: DifferenceKind
    key: dict[str, str]
    line: int = Field(default=0, exclude_if=is_empty, description="line of the file")
    cells: tuple[Cell, ...] = Field(default=(), exclude_if=is_empty)

    def said(self) -> str:
        """In one line."""
        row = ", ".join(f"{name} {value}" for name, value in self.key.items())
        cells = ", ".join(f"{one.column}: {one.file} in the file, {one.table} in the table" for one in self.cells)
        where = f", line {self.line}" if self.line else ""
        return f"{row}{where}" + (f": {cells}" if cells else "")


class Correction(Contract):
    """The action that takes a difference back, ready to be performed."""

    intent: Intent
    arguments: str
    facts: tuple[str, ...] = ()


class Reconciled(Contract, name="reconciled/1"):
    """How file and table differ: the first differences, how many more there are, and what would take them back."""

    compared: int = Field(description="rows of the file that could be compared")
    bad: int = Field(default=0, description="rows of the file that break a rule, and were not compared")
    differences: tuple[Difference, ...] = ()
    more: int = 0
    artifact: str = ""
    corrections: tuple[Correction, ...] = ()
