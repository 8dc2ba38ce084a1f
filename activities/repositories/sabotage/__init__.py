"""Changed lines made to raise: what no longer works must be noticed by a check that is worth its green. Pure.

Python is read by its own parser. JavaScript, TypeScript, Rust, Java and Go are read by brackets and statement ends, in Python
alone: a strange file never meets a parser written in C outside the sandbox. Such a reading can be wrong, so a check that fails
counts only where the fault was run, or where the same copy with a fault that is not live passes.
"""

from pathlib import PurePosixPath

from activities.repositories.judging import Lines
from activities.repositories.sabotage import braces, python
from activities.repositories.sabotage.dialects import dialect_of
from activities.repositories.sabotage.region import RAISED, Fault, Region, unreadable

__all__ = ["RAISED", "Fault", "Region", "regions", "sabotaged", "supports", "unreadable"]


def supports(path: str) -> bool:
    """Whether the changed lines of a source file can be made to raise at all, by its language."""
    return PurePosixPath(path).suffix == ".py" or dialect_of(path) is not None


def regions(path: str, text: str, lines: Lines) -> tuple[Region, ...]:
    """The changed lines that do something, by function and by what stands together.

    Comments, empty lines and texts that only document do nothing. What was only taken out counts at the line before it.
    Where the text cannot be read the lines are not breakable.
    """
    dialect = dialect_of(path)
    return python.regions(path, text, lines) if dialect is None else braces.regions(path, text, lines, dialect)


def sabotaged(text: str, region: Region, fault: Fault) -> str:
    """The file with the fault before every changed statement of a region that is breakable."""
    dialect = dialect_of(region.path)
    return python.sabotaged(text, region, fault) if dialect is None else braces.sabotaged(text, region, fault, dialect)
