"""Changes of project files that say nothing about tests: a version, a dependency, an author. Pure."""

import json
import tomllib
from typing import Any

_NO_JUDGE = {
    # Without `scripts` and tools' own tables such as `jest`: they decide what the check runs.
    "package.json": frozenset(
        (
            *(
                "name",
                "version",
                "description",
                "author",
                "license",
                "keywords",
                "repository",
                "homepage",
                "bugs",
                "contributors",
            ),
            *("dependencies", "devDependencies", "peerDependencies", "optionalDependencies", "engines", "files"),
        )
    ),
    # Without `tool`: pytest and its plugins have their settings there.
    "pyproject.toml": frozenset(("project", "dependency-groups", "build-system")),
    "Cargo.toml": frozenset(("package", "dependencies", "dev-dependencies", "build-dependencies", "workspace")),
}


def only_metadata(path: str, before: str | None, after: str | None) -> bool:
    """True where a project file is there on both sides and differs only in tables that no test runner reads."""
    harmless = _NO_JUDGE.get(path.rsplit("/", 1)[-1])
    if harmless is None or before is None or after is None:
        return False
    sides = [_read(path, text) for text in (before, after)]
    # What cannot be read may be anything, so it is never called harmless.
    if None in sides:
        return False
    left = [{name: value for name, value in (side or {}).items() if name not in harmless} for side in sides]
    return left[0] == left[1]


def _read(path: str, text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
