"""Which check a repository brings along, from its files. Nothing is run to find out."""

import re
from collections.abc import Iterator
from pathlib import Path

from activities.repositories import ecosystems as known
from activities.repositories import layout, tasks
from activities.repositories.project_files import Files, table
from contracts.detection import Candidate, Detected, Standing

_ORDER: tuple[Standing, ...] = ("declared", "convention", "presence")
_RUNS_PYTEST = re.compile(r"(?:^|[\s\"'@/])(?:pytest|py\.test)\b", re.MULTILINE)
_IMPORT_PATH = re.compile(r"^\s*pythonpath\s*=", re.MULTILINE)


def detect(directory: Path) -> Detected:
    """Every command that would prove a change, the best first, with the layout and what a check needs beside the files.

    What a project declares comes before what its manifest makes usual, and that before test files that merely lie there.
    Among what it declares pytest comes first: only of pytest single tests are known.
    """
    files = Files(directory)
    found = sorted((*_declared(files), *_usual(files), *_present(files)), key=lambda one: _ORDER.index(one.standing))
    best: dict[str, Candidate] = {}
    for one in found:
        best.setdefault(one.command, one)
    return Detected(candidates=tuple(best.values()), layout=layout.lines(files), needs=layout.needs(files))


def _declared(files: Files) -> Iterator[Candidate]:
    source = _pytest_configured(files)
    if source:
        yield Candidate(command=_pytest(files), source=source, standing="declared")
    python = [*tasks.make(files), *tasks.tox(files), *tasks.nox(files)]
    for task in python:
        # Not the task itself: tox and nox fetch what they need over the network, and tell no single tests.
        if files.tests and _RUNS_PYTEST.search(task.text):
            yield Candidate(command=_pytest(files), source=f"{task.source}, which runs pytest", standing="declared")
    for task in (*tasks.node(files), *tasks.make(files), *tasks.just(files), *tasks.tox(files), *tasks.nox(files)):
        yield Candidate(command=task.command, source=task.source, standing="declared")


def _usual(files: Files) -> Iterator[Candidate]:
    manifest = files.first(known.PYTHON_MANIFESTS)
    if files.tests and manifest is not None:
        yield Candidate(command=_pytest(files), source=f"{manifest[0]} and {files.tests[0]}", standing="convention")
    for row in known.MANIFESTS:
        if files.text(row.name) is not None and (not row.wrapper or files.text(row.wrapper) is not None):
            source = f"{row.name} and {row.wrapper}" if row.wrapper else row.name
            yield Candidate(command=row.command, source=source, standing="convention")


def _present(files: Files) -> Iterator[Candidate]:
    if files.tests:
        yield Candidate(command=_pytest(files), source=f"test files, such as {files.tests[0]}", standing="presence")


def _pytest_configured(files: Files) -> str:
    """The part of a file that configures pytest; empty where none does."""
    own = files.first(known.PYTEST_FILES)
    if own is not None:
        return own[0]
    if "pytest" in table(files.toml("pyproject.toml").get("tool")):
        return "pyproject.toml [tool.pytest]"
    for name, section in known.PYTEST_SECTIONS:
        if re.search(rf"^\[{re.escape(section)}\]", files.text(name) or "", re.MULTILINE):
            return f"{name} [{section}]"
    return ""


def _pytest(files: Files) -> str:
    """How pytest is started here: as a module where the tests import from the root and pytest alone would not find it."""
    settings = (*known.PYTEST_FILES, *known.PYTHON_MANIFESTS, "tox.ini")
    if any(_IMPORT_PATH.search(files.text(name) or "") for name in settings):
        return known.PYTEST
    if "conftest.py" in files.paths or not layout.at_the_root(files):
        return known.PYTEST  # a conftest.py at the root has pytest put the root on the import path
    return known.PYTEST_FROM_ROOT if any(_above(path, files) for path in files.tests) else known.PYTEST


def _above(test: str, files: Files) -> str:
    """The first folder above a test that is no package, which pytest puts on the import path; "" for the root."""
    folder = test.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" in files.paths:
        folder = folder.rpartition("/")[0]
    return folder
