"""Load's input: what is loaded where, or what is compared with what."""

import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.base import Line, PerMille
from contracts.effects.base import JsonText
from contracts.errors import ContractViolation
from contracts.ids import slug
from contracts.inputs import PipelineInput, Typed
from contracts.step_resources import NAME
from contracts.tables import COLUMN, Format, Mapping

MOST_KEYS = 8
NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"

MOST_BAD = 100


class LoadInput(PipelineInput, name="load_input/1"):
    """What is loaded where: a file of a declared folder, or the quarantined rows of an earlier load, into a declared table."""

    target: Annotated[Line | None, Typed("-t")] = Field(
        default=None, pattern=NAME, description="which [targets.NAME] of the worker's baton.toml; None: two files are compared"
    )
    table: Line | None = Field(
        default=None, pattern=NAME, description="which [targets.NAME.tables.TABLE]; None: two files are compared"
    )
    folder: Line | None = Field(default=None, pattern=NAME, description="which [folders.NAME] the file is below")
    file: Annotated[Line | None, Typed("-f")] = Field(
        default=None, min_length=1, max_length=1000, description="path of the file below the folder"
    )
    mapping: Annotated[JsonText | None, Typed("-m", "content")] = Field(
        default=None, min_length=2, max_length=60_000, description="how columns are mapped, as JSON; None: an agent proposes it"
    )
    format: Format | None = Field(default=None, description="csv, jsonl or parquet; None: by the end of the file's name")
    encoding: Line | None = Field(
        default=None, max_length=40, description="such as utf-8 or cp1252; None: UTF-8, or as a BOM says"
    )
    delimiter: Annotated[str | None, Field(max_length=3)] = Field(
        default=None, description="one character, or tab; None: the one that fits the first rows"
    )
    again: Line | None = Field(
        default=None, max_length=200, description="a run whose quarantined rows are loaded again, in place of folder and file"
    )
    most_bad: PerMille = Field(
        default=MOST_BAD, description="if more rows of a thousand are bad in the dry run, a person decides first"
    )
    reconcile: Line | None = Field(
        default=None,
        max_length=1000,
        description="compare this file with the table instead of loading: its path below the folder",
    )
    tolerance: Decimal = Field(default=Decimal(0), ge=0, description="with reconcile: how far two numbers may be apart")
    against: Line | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="with reconcile: compare the file with this one, its path below the folder, instead of with a table",
    )
    against_mapping: Annotated[JsonText | None, Typed("", "content")] = Field(
        default=None,
        min_length=2,
        max_length=60_000,
        description="how the columns of against are mapped; None: by their own names",
    )
    reconcile_table: Line | None = Field(
        default=None, pattern=NAME, description="compare this declared table of the target with table, in place of a file"
    )
    key: Line | None = Field(
        default=None,
        min_length=1,
        max_length=520,
        description="with reconcile: the columns that say which row it is, as in customer,day; None: the table's own key",
    )
    tolerances: Line | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="with reconcile: how far numbers of one column may be apart, as in amount=0.01,rate=0.0005",
    )
    correct: bool = Field(default=False, description="true: with reconcile, propose the action that takes each difference back")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        given = [name for name in ("file", "again", "reconcile", "reconcile_table") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of file, again, reconcile and reconcile_table; got {', '.join(given) or 'none of them'}"
            )
        no_folder = self.again is not None or self.reconcile_table is not None
        if (self.folder is None) != no_folder:
            raise ValueError(f"leave out folder: {given[0]} names no file" if no_folder else "name the folder of the file")
        self._two_sides()
        for name in ("mapping", "against_mapping"):
            try:
                self.mapped(name)
            except ContractViolation as error:
                raise ValueError(f"{name} is none: {error}") from None
        return self

    def _two_sides(self) -> None:
        """Raise `ValueError` for a comparison, or what is one's alone, that means nothing."""
        if not self.compares and (self.tolerance or self.correct or self.key or self.tolerances):
            raise ValueError("tolerance, tolerances, key and correct are for reconcile, where two sides are compared")
        if self.against is not None and self.reconcile is None:
            raise ValueError("against is the second file of a comparison; name the first one as reconcile")
        if self.against is None:
            if self.target is None or self.table is None:
                raise ValueError("name the target and its table; they are left out only where reconcile has against")
            if self.against_mapping is not None:
                raise ValueError("against_mapping is for the file that against names")
        elif self.target or self.table or self.correct:
            raise ValueError("leave out target, table and correct: against compares two files, and neither is changed")
        elif self.key is None:
            raise ValueError("two files have no key of their own; name its columns as key")
        if self.reconcile_table is not None and (self.mapping is not None or self.reconcile_table == self.table):
            raise ValueError("two different tables are compared by equal names of columns; leave out mapping")
        self.key_columns()
        self.apart()

    def key_columns(self) -> tuple[str, ...]:
        """The columns of the key that was given; () if there is none. Raises `ValueError` for what is no list of columns."""
        names = tuple(part.strip() for part in self.key.split(",")) if self.key else ()
        if wrong := [name for name in names if not re.fullmatch(COLUMN, name)]:
            raise ValueError(f"key: {wrong[0]!r} is no column; write columns with commas between them, as in customer,day")
        if len(set(names)) < len(names) or len(names) > MOST_KEYS:
            raise ValueError(f"key: name each column once, and at most {MOST_KEYS}")
        return names

    def apart(self) -> dict[str, Decimal]:
        """How far the numbers of named columns may be apart. Raises `ValueError` for what is no list of tolerances."""
        found: dict[str, Decimal] = {}
        for part in self.tolerances.split(",") if self.tolerances else ():
            name, _, most = (one.strip() for one in part.partition("="))
            if not re.fullmatch(COLUMN, name) or name in found or not re.fullmatch(NUMBER, most):
                raise ValueError(f"tolerances: {part.strip()!r} is none; write each column once, as in amount=0.01,rate=0.0005")
            found[name] = Decimal(most)
        if twice := sorted(set(found) & set(self.key_columns())):
            raise ValueError(f"tolerances: {', '.join(twice)} is of the key, and keys are equal or not")
        return found

    def mapped(self, name: str = "mapping") -> Mapping | None:
        """The mapping that was given, of the file or (`against_mapping`) of the second. Raises `ContractViolation` for none."""
        given = getattr(self, name)
        return None if given is None else Mapping.read_strict(given)

    @property
    def compares(self) -> bool:
        """Whether two sides are compared, and nothing is loaded."""
        return self.reconcile is not None or self.reconcile_table is not None

    @property
    def at(self) -> tuple[str, str]:
        """Target and table; empty where two files are compared."""
        return self.target or "", self.table or ""

    def label(self) -> str:
        """The table, or the file that is compared."""
        return slug(self.table or self.against or "")

    def asks(self) -> str:
        """What is loaded where."""
        if self.against is not None:
            return f"compare {self.reconcile} with {self.against}"
        if self.compares:
            return f"compare {self.reconcile or self.reconcile_table} with {self.table} at {self.target}"
        what = f"the quarantine of {self.again}" if self.again else str(self.file)
        return f"load {what} into {self.table} at {self.target}"

    def about(self) -> tuple[str, ...]:
        """The mapping, or that there is none yet."""
        if self.against is not None or self.reconcile_table is not None:
            return (f"key: {self.key or 'of the table'}",)
        return ("mapping: given" if self.mapping else "mapping: proposed by an agent, approved by a person",)
