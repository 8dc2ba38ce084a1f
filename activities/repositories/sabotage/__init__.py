"""Changed lines made to raise: what no longer works must be noticed by a check that is worth its green. Pure.

Python is read by its own parser. JavaScript, TypeScript, Rust, Java and Go are read by brackets and statement ends, and shell
scripts by lines, all in Python alone: a strange file never meets a parser written in C outside the sandbox. Such a reading can
be wrong, so a check that fails counts only where the fault was run, or where the same copy with one that is not live passes.
"""

from pathlib import PurePosixPath

from activities.repositories.judging import Lines
from activities.repositories.sabotage import braces, python, shell
from activities.repositories.sabotage.dialects import dialect_of
from activities.repositories.sabotage.region import RAISED, Fault, Region, changed_lines, unreadable
from contracts.risky_paths import kinds_of

DATA = frozenset(
    (
        *(".json", ".jsonl", ".yaml", ".yml", ".toml", ".csv", ".tsv", ".xml", ".ini", ".cfg", ".conf", ".properties", ".sql"),
        *(".graphql", ".proto", ".po", ".html", ".htm", ".xhtml", ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".mustache"),
        *(".hbs", ".handlebars", ".ejs", ".erb", ".liquid", ".njk", ".pug", ".haml", ".twig", ".ftl"),
    )
)
"""Ends of names of data and templates. Nothing in them can raise, but an empty one is noticed where it is read."""

EMPTIED = "emptied"

__all__ = ["RAISED", "Fault", "Region", "inner_tests", "is_data", "regions", "sabotaged", "supports", "unreadable"]


def supports(path: str) -> bool:
    """Whether the changed lines of a source file can be made to raise at all, by its language."""
    return PurePosixPath(path).suffix in (".py", *shell.ENDS) or dialect_of(path) is not None


def is_data(path: str) -> bool:
    """Whether it is a file of data, or a template, and none that tools or people use by its name."""
    return PurePosixPath(path).suffix.casefold() in DATA and not kinds_of(path)


def regions(path: str, text: str, lines: Lines) -> tuple[Region, ...]:
    """The changed lines that do something, by function and by what stands together.

    Comments, empty lines and texts that only document do nothing. What was only taken out counts at the line before it.
    Where the text cannot be read the lines are not breakable. Data is one region: it is emptied as a whole.
    """
    if is_data(path):
        changed = changed_lines(lines)
        return (Region(path, tuple(changed), EMPTIED),) if changed else ()
    dialect = dialect_of(path)
    if dialect is not None:
        return braces.regions(path, text, lines, dialect)
    return shell.regions(path, text, lines) if path.endswith(shell.ENDS) else python.regions(path, text, lines)


def inner_tests(path: str, text: str) -> set[int]:
    """Lines of a source file that are compiled only for its own tests, as Rust has them; empty for other languages."""
    dialect = dialect_of(path)
    return set() if dialect is None else braces.inner_tests(text, dialect)


def sabotaged(text: str, region: Region, fault: Fault) -> str:
    """The file with the fault before every changed statement of a region that is breakable; without content if it is data."""
    if is_data(region.path):
        return "" if fault.live else text
    dialect = dialect_of(region.path)
    if dialect is not None:
        return braces.sabotaged(text, region, fault, dialect)
    if region.path.endswith(shell.ENDS):
        return shell.sabotaged(text, region, fault)
    return python.sabotaged(text, region, fault)
