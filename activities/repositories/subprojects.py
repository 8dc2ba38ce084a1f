"""Projects that lie in a folder of the repository, such as `backend` and `frontend`: how each is tested from the top."""

import re
from collections.abc import Iterator

from activities.repositories import ecosystems as known
from activities.repositories import layout, tasks
from activities.repositories.project_files import Files
from contracts.detection import Candidate

MOST = 5
"""Folders that are looked into."""

_PLAIN = re.compile(r"[\w][\w.-]*\Z", re.ASCII)
_IMPORT_PATH = re.compile(r"^\s*pythonpath\s*=", re.MULTILINE)
_MANIFESTS = frozenset({*known.PYTHON_MANIFESTS, *known.MAKEFILES, *known.INSIDE, "package.json"})


def inside(files: Files) -> Iterator[Candidate]:
    """The checks of projects one folder down. Their commands run at the top, and need no shell."""
    folders = {folder for folder, slash, name in (path.partition("/") for path in files.paths) if slash and name in _MANIFESTS}
    for folder in sorted(one for one in folders if _PLAIN.match(one))[:MOST]:
        below = files.below(folder)
        for command, source in (*_python(folder, below), *_others(folder, below)):
            yield Candidate(command=command, source=f"{source} in {folder}/", standing="convention")


def _python(folder: str, below: Files) -> Iterator[tuple[str, str]]:
    manifest = below.first(known.PYTHON_MANIFESTS)
    if manifest is None or not below.tests:
        return
    named = (*known.PYTEST_FILES, *known.PYTHON_MANIFESTS, "tox.ini")
    command = f"{known.PYTEST} {folder}"
    if not any(_IMPORT_PATH.search(below.text(name) or "") for name in named):
        place = "src" if layout.in_src(below) else "."
        # Versions of pytest count this path from the manifest or from where they are started: the other one is not there.
        top = folder if place == "." else f"{folder}/{place}"
        command = f"{command} -o 'pythonpath={place} {top}'"
    yield command, f"{manifest[0]} and {below.tests[0]}"


def _others(folder: str, below: Files) -> Iterator[tuple[str, str]]:
    for task in tasks.node(below):
        if task.command.startswith("npm "):
            yield task.command.replace("npm ", f"npm --prefix {folder} ", 1), task.source
    for task in tasks.make(below):
        yield task.command.replace("make ", f"make -C {folder} ", 1), task.source
    for name, command in known.INSIDE.items():
        if below.text(name) is not None:
            yield command.format(folder), name
