"""The table of `special_paths.toml`: paths that judge a change, and paths that are a risk. Read and checked once, at import.

Workflows use it as well as activities, so it is data of the package and no setting: it is the same wherever a run is replayed.
"""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from contracts.base import Input
from contracts.globs import shape

FILE = Path(__file__).with_suffix(".toml")


def _lower(patterns: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [one for one in patterns if one != one.casefold()]
    if wrong:
        raise ValueError(f"write patterns that count for upper and lower case alike in lower case: {', '.join(wrong)}")
    return patterns


Patterns = tuple[Annotated[str, Field(min_length=1)], ...]
"""Globs that tell upper and lower case apart."""

Names = Annotated[Patterns, AfterValidator(_lower)]
"""Globs that do not."""


class Marks(Input):
    """What single lines of tests and of their configuration look like."""

    defines: re.Pattern[str] = Field(description="a test begins")
    skips: re.Pattern[str] = Field(description="a test is taken out of the count")
    asserts: re.Pattern[str] = Field(description="an assertion")
    narrows: re.Pattern[str] = Field(description="a setting that lets fewer tests run or count")
    aware: re.Pattern[str] = Field(description="source that asks whether a test runs, or says what it equals")


class Ecosystem(Input):
    """One entry of the table. An entry that judges also says what its lines look like."""

    name: str
    sources: tuple[Annotated[str, Field(pattern="^https://")], ...] = Field(min_length=1, description="pages that say so")
    source: Names = Field(default=(), description="ends of the names of source files, such as .py")
    tests: Patterns = ()
    configuration: Names = Field(default=(), description="judges as tests do, and runs by itself")
    runs_itself: Names = ()
    secret: Names = ()
    look_alikes: Names = Field(default=(), description="names that look like those of secrets, and hold none")
    installed: Names = ()
    generated: Names = ()
    lines: Marks | None = None

    @model_validator(mode="after")
    def _judges_by_lines(self) -> "Ecosystem":
        if (self.tests or self.configuration or self.source) and self.lines is None:
            raise ValueError(f"{self.name} has files that judge a change, so it needs [ecosystem.lines]")
        return self


class Table(Input):
    """The whole file."""

    ecosystem: tuple[Ecosystem, ...] = Field(min_length=1)


def read(text: str) -> tuple[Ecosystem, ...]:
    """The entries of a table. Raises `ValueError` for what is not in its form."""
    return Table.model_validate(tomllib.loads(text)).ecosystem


ECOSYSTEMS = read(FILE.read_text(encoding="utf-8"))
"""Every entry, in the order of the file."""


def fits(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns names the path, at any depth or, with a slash before it, at the root."""
    return bool(patterns) and _shapes(patterns).fullmatch(path) is not None


@cache
def _shapes(patterns: tuple[str, ...]) -> re.Pattern[str]:
    # One expression for all: a change of thousands of files is compared with hundreds of patterns.
    each: Iterable[str] = (one.removeprefix("/") if one.startswith("/") else f"**/{one}" for one in patterns)
    return re.compile("|".join(f"(?:{shape(one).pattern})" for one in each))
