"""What a repository declares that its tests need: Python requirements and npm packages, from its files alone. Nothing is run.

Only names with versions are taken. An address, a path or an option of an installer is left out, and told as such: it could make
the installer run or fetch something that nobody sees in a list.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from activities.repositories.project_files import Files, table
from activities.repositories.requirements import NAME, REQUIREMENT, plain, requirements
from contracts.base import canonical, sha256
from contracts.text import amount, one_line

SOURCES = {
    "requirement": "https://packaging.python.org/en/latest/specifications/dependency-specifiers/",
    "pyproject.toml": "https://packaging.python.org/en/latest/specifications/pyproject-toml/",
    "dependency groups": "https://packaging.python.org/en/latest/specifications/dependency-groups/",
    "poetry": "https://python-poetry.org/docs/dependency-specification/",
    "setup.cfg": "https://setuptools.pypa.io/en/latest/userguide/declarative_config.html",
    "tox": "https://tox.wiki/en/stable/config.html#deps",
    "package.json": "https://docs.npmjs.com/cli/configuring-npm/package-json#dependencies",
}
"""Where each form is documented."""

NOTHING = (
    "nothing to install: no requirements file, project table, extra or group for tests, tox.ini or package.json names packages"
)
"""What is said where a repository declares nothing that could be installed."""

SHOWN, LONGEST = 60, 1300
"""Names in one line for people, and its characters."""

_NPM_NAME = re.compile(r"(?:@[a-z0-9~][\w.~-]*/)?[a-z0-9~][\w.~-]*\Z", re.IGNORECASE)
_NPM_VERSION = re.compile(r"[\w\s.^~<>=|*+-]*\Z")


@dataclass(frozen=True)
class Declared:
    """What to install. `left_out` names what is declared and not taken; `sources` the files that declare the rest."""

    python: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """What is installed for Python: what is declared, and pytest where that is not among it."""
        named = {plain(NAME.match(one)[0]) for one in self.python}  # type: ignore[index]
        return (*self.python, *(() if not self.python or "pytest" in named else ("pytest",)))

    @property
    def anything(self) -> bool:
        """False where there is nothing to install."""
        return bool(self.python or self.npm)


def declared(files: Files) -> Declared:
    """What tests need, for Python with pytest itself where there is any; each requirement once, in the order of the files."""
    found = [(source, line) for source, lines in requirements(files) for line in lines]
    own = plain(str(table(files.toml("pyproject.toml").get("project")).get("name", "")))
    taken: dict[str, None] = {}
    left: list[str] = []
    sources: dict[str, None] = {}
    for source, line in found:
        text = line.strip()
        if not REQUIREMENT.match(text):
            left.append(f"{source}: {text}")
        elif plain(NAME.match(text)[0]) != own:  # type: ignore[index]
            taken[text] = None
            sources[source] = None
    npm, odd = _npm(files)
    if npm:
        sources["package.json"] = None
    pins = tuple(_locked(files)) if taken else ()
    return Declared(tuple(taken), pins, npm, (*left, *odd), tuple(sources))


def told(wanted: Declared) -> tuple[str, ...]:
    """The list as a person reads it before it is installed: Python, npm, where it is named, what is left out."""
    lines = (
        ("Python", wanted.packages),
        ("npm", wanted.npm),
        ("named in", wanted.sources),
        ("left out, because it is no plain name and version", wanted.left_out),
    )
    shown = tuple(f"{what}: {_some(names)}" for what, names in lines if names)
    return (*shown, f"pinned by the lock file: {amount(len(wanted.pinned), 'version')}") if wanted.pinned else shown


def digest_of(wanted: Declared) -> str:
    """What stands for exactly this list, for this Python."""
    return sha256(canonical([wanted.python, wanted.pinned, wanted.npm, sys.version_info[:2]]))[:12]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return one_line(", ".join(names[:SHOWN]), LONGEST) + more


def _locked(files: Files) -> Iterator[str]:
    """Versions that a lock file says. A package that it has in several versions is left to the installer."""
    for name in ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"):
        read = files.toml(name)
        packages = read.get("package", read.get("packages"))
        found: dict[str, set[str]] = {}
        for one in map(table, packages if isinstance(packages, list) else ()):
            pin, source = f"{one.get('name', '')}=={one.get('version', '')}", table(one.get("source"))
            # What comes from elsewhere than a registry is no version that an installer could find.
            if REQUIREMENT.match(pin) and (not source or "registry" in source):
                found.setdefault(str(one["name"]), set()).add(pin)
        if found:
            yield from (next(iter(pins)) for pins in found.values() if len(pins) == 1)
            return


def _npm(files: Files) -> tuple[tuple[str, ...], list[str]]:
    """Direct dependencies, at the version of npm's own lock file where there is one."""
    package = files.json("package.json")
    wanted = {**table(package.get("dependencies")), **table(package.get("devDependencies"))}
    taken = {name: said for name, said in wanted.items() if _NPM_NAME.match(name) and _NPM_VERSION.match(str(said))}
    lock = next((read for name in ("package-lock.json", "npm-shrinkwrap.json") if (read := files.json(name))), {})
    for name in taken:
        for place, key in (("packages", f"node_modules/{name}"), ("dependencies", name)):
            version = str(table(table(lock.get(place)).get(key)).get("version", ""))
            taken[name] = version if version and _NPM_VERSION.match(version) else taken[name]
    left = [f"package.json: {name} {said}" for name, said in wanted.items() if name not in taken]
    return tuple(f"{name}@{said}" for name, said in taken.items()), left
