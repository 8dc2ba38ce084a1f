"""Detects from a repository's files which check it comes with. Nothing is run for that."""

import json
import tomllib
from pathlib import Path
from typing import Any

from activities.files import paths

_NPM_DEFAULT = "no test specified"


def detect_check(directory: Path) -> tuple[str, str] | None:
    """(command, what it was detected from), or None. pytest before package scripts."""
    for name in ("pytest.ini", ".pytest.ini"):
        if _text(directory, name) is not None:
            return "pytest -q", name
    project = _toml(directory, "pyproject.toml")
    if "pytest" in _table(project.get("tool")):
        return "pytest -q", "pyproject.toml [tool.pytest]"
    if "[tool:pytest]" in (_text(directory, "setup.cfg") or ""):
        return "pytest -q", "setup.cfg [tool:pytest]"
    if "[pytest]" in (_text(directory, "tox.ini") or ""):
        return "pytest -q", "tox.ini [pytest]"
    if _has_tests(directory):
        return "pytest -q", "test files"
    script = _npm_test(directory)
    return ("npm test --silent", "package.json scripts.test") if script else None


def _has_tests(directory: Path) -> bool:
    listing = paths.walk(directory, limit=20_000)
    names = [entry.path.rsplit("/", 1)[-1] for entry in listing.entries]
    return any(name.startswith("test_") and name.endswith(".py") for name in names)


def _npm_test(directory: Path) -> bool:
    try:
        package: Any = json.loads(_text(directory, "package.json") or "{}")
    except (ValueError, RecursionError):  # also numbers and nesting beyond what Python reads
        return False
    script = _table(_table(package).get("scripts")).get("test")
    return isinstance(script, str) and bool(script) and _NPM_DEFAULT not in script


def _toml(directory: Path, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(directory, name) or "")
    except (ValueError, RecursionError):
        return {}


def _table(value: Any) -> dict[str, Any]:
    """The value if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def _text(directory: Path, name: str) -> str | None:
    try:
        return paths.read_file(directory, name).decode(errors="replace")
    except (paths.PathRefused, OSError):
        return None
