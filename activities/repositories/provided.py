"""What a prepared environment brings along: the packages that are installed in it, by name. Nothing of it is run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.repositories.preparing import MARKER
from activities.repositories.requirements import names, plain


@dataclass(frozen=True)
class Provided:
    """Names of packages. Versions are not compared: the run of the check shows whether they fit."""

    python: frozenset[str] = frozenset()
    npm: frozenset[str] = frozenset()

    def lacks(self, wanted: list[str]) -> list[str]:
        """Those Python packages that are not there, as they are written."""
        return [name for name in wanted if plain(name) not in self.python]


def provided(environment: Path) -> Provided:
    """What is installed in a venv or interpreter folder, and in its `node_modules`. Nothing where there is no such folder."""
    # What a list leaves out for this machine (`; sys_platform == "win32"`) is not installed and not lacking either.
    listed = names(_listed(environment))
    return Provided(frozenset(map(plain, (*_installed(environment), *listed))), frozenset(_modules(environment)))


def _installed(environment: Path) -> Iterator[str]:
    # `name-version.dist-info`, with `_` for every `-` of the name: https://packaging.python.org/en/latest/specifications/
    for kind in ("site", "dist"):
        for found in environment.glob(f"lib*/python3*/{kind}-packages/*.*-info"):
            yield found.name.removesuffix(".egg-info").split("-", 1)[0]


def _listed(environment: Path) -> list[str]:
    """What an environment of ours was made from."""
    try:
        made = json.loads((environment / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [str(line) for line in made.get("python", ())] if isinstance(made, dict) else []


def _modules(environment: Path) -> Iterator[str]:
    top = environment / "node_modules"
    for one in sorted(top.iterdir()) if top.is_dir() else ():
        if one.name.startswith("@"):
            yield from (f"{one.name}/{inner.name}" for inner in one.iterdir())
        else:
            yield one.name
