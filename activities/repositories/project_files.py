"""A checkout as detection reads it: what is not there, not text, not a file, or broken says nothing and is never an error."""

import json
import tomllib
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from activities.files import paths
from activities.repositories import ecosystems as known

_WALKED = 100_000
"""Entries of a checkout that are looked at; no project says how it is tested behind that many."""


class Files:
    """The project's own files, without other people's, built ones and hidden folders. Links are not followed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def below(self, folder: str) -> "Files":
        """The files of a folder, which `paths` has shown to be one."""
        return Files(self._directory / folder)

    @cached_property
    def paths(self) -> frozenset[str]:
        """All of them."""
        entries = paths.walk(self._directory, limit=_WALKED).entries
        return frozenset(entry.path for entry in entries if entry.kind == "file" and not _foreign(entry.path))

    @cached_property
    def tests(self) -> tuple[str, ...]:
        """Those that pytest would collect, sorted."""
        return tuple(sorted(path for path in self.paths if is_test(path)))

    def text(self, name: str) -> str | None:
        """The text of a file."""
        found = self._read(name)
        return None if found is None else found.decode(errors="replace")

    def data(self, name: str) -> bytes:
        """A file's bytes; none where it cannot be read."""
        return self._read(name) or b""

    def first(self, names: tuple[str, ...]) -> tuple[str, str] | None:
        """The first of these files that is there, with its text."""
        return next(((name, text) for name in names if (text := self.text(name)) is not None), None)

    def toml(self, name: str) -> dict[str, Any]:
        """A TOML file's table."""
        try:
            return tomllib.loads(self.text(name) or "")
        except (ValueError, RecursionError):
            return {}

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file's object."""
        try:
            return table(json.loads(self.text(name) or "{}"))
        except (ValueError, RecursionError):  # also numbers and nesting beyond what Python reads
            return {}

    def tool(self, name: str) -> dict[str, Any]:
        """A tool's table in pyproject.toml."""
        return table(table(self.toml("pyproject.toml").get("tool")).get(name))

    def _read(self, name: str) -> bytes | None:
        try:
            return paths.read_file(self._directory, name)
        except (paths.PathRefused, OSError):
            return None


def table(value: Any) -> dict[str, Any]:
    """The value if it is a table."""
    return value if isinstance(value, dict) else {}


def is_test(path: str) -> bool:
    """True for a file that pytest collects by its name."""
    name = path.rsplit("/", 1)[-1]
    return any(fnmatchcase(name, pattern) for pattern in known.PYTEST_NAMES)


def _foreign(path: str) -> bool:
    # Folders only: files such as .pytest.ini are the project's own.
    return any(part in known.NOT_OURS or part.startswith(".") for part in path.split("/")[:-1])
