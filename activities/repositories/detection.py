"""Which check a repository brings along, from its files. Nothing is run to find out."""

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from activities.repositories import ecosystems as known
from activities.repositories import layout, pytest_options, tasks
from activities.repositories.project_files import Files, table
from activities.repositories.provided import provided
from activities.repositories.subprojects import inside
from contracts.detection import Candidate, Detected, Standing

_ORDER: tuple[Standing, ...] = ("declared", "convention", "presence")
_RUNS_PYTEST = re.compile(r"(?:^|[\s\"'@/])(?:pytest|py\.test)\b", re.MULTILINE)
_RUNS_TOX = re.compile(r"^\s*[@-]?(?:python3? -m )?(?:tox|nox)\b", re.MULTILINE)
_RUNS_UNITTEST = re.compile(r"-m[\s\"',]+unittest\b")
_RUNS_AT_IMPORT = re.compile(rb"^unittest\.main\(", re.MULTILINE)
_TEST_CASES = re.compile(rb"^class \w+\(.*\bTestCase\)", re.MULTILINE)
_IMPORT_PATH = re.compile(r"^\s*pythonpath\s*=", re.MULTILINE)


LOOKED_INTO, NAMED_FILES = 200, 20
"""Modules that are read to see whether they hold tests, and those that a command names."""


def detect(directory: Path, environment: Path | None = None) -> Detected:
    """Every command that would prove a change, the best first, with the layout and what a check needs beside the files.

    What a project declares comes before what its manifest makes usual, and that before test files that merely lie there.
    Among what it declares pytest comes first, because only pytest tells of single tests. What needs a network,
    such as tox and nox, comes last. What the `environment` has is not among what a check needs.
    """
    files = Files(directory)
    has = provided(environment) if environment is not None else None
    found = [*_declared(files), *_usual(files), *_present(files)]
    if all(one.standing == "presence" for one in found):
        found += inside(files)
    found.sort(key=_place)
    best: dict[str, Candidate] = {}
    for one in found:
        best.setdefault(one.command, one)
    return Detected(candidates=tuple(best.values()), layout=layout.lines(files), needs=layout.needs(files, has))


def _place(one: Candidate) -> tuple[bool, int]:
    # Last of all what fetches over the network before it tests anything: it cannot run here.
    return one.command in known.NEEDS_NETWORK, _ORDER.index(one.standing)


def _declared(files: Files) -> Iterator[Candidate]:
    source = _pytest_configured(files)
    if source:
        yield _pytest(files, source, "declared")
    python = [*tasks.make(files), *tasks.tox(files), *tasks.nox(files)]
    for task in python:
        # Not the task itself: tox and nox fetch what they need over the network, and none of them tells single tests.
        runner, odd = _runner(task.text), _odd_names(files)
        named = tuple(path for path in odd if path in task.text)
        if runner and (files.tests or odd):
            yield _pytest(files, f"{task.source}, which runs {runner}", "declared")
        elif named:
            yield _pytest(files, f"{task.source}, which runs {named[0]}", "declared", named)
    made = [task for task in tasks.make(files) if not (files.tests and _RUNS_TOX.search(task.text))]
    for task in (*tasks.node(files), *made, *tasks.just(files), *tasks.tox(files), *tasks.nox(files)):
        yield Candidate(command=task.command, source=task.source, standing="declared")


def _runner(text: str) -> str:
    """What a task runs that pytest can run as well; "" where it is something else."""
    return "pytest" if _RUNS_PYTEST.search(text) else "unittest" if _RUNS_UNITTEST.search(text) else ""


def _usual(files: Files) -> Iterator[Candidate]:
    if known.DJANGO in (files.text(known.DJANGO_MANAGE) or ""):
        yield Candidate(command=known.DJANGO_TEST, source=known.DJANGO_MANAGE, standing="convention")
    manifest = files.first(known.PYTHON_MANIFESTS)
    if files.tests and manifest is not None:
        yield _pytest(files, f"{manifest[0]} and {files.tests[0]}", "convention")
    if not files.tests and manifest is not None and (odd := _odd_names(files)):
        yield _pytest(files, f"{manifest[0]} and {odd[0]}, which has test cases of unittest", "convention")
    for row in known.MANIFESTS:
        text = files.text(row.name)
        if text is not None and re.search(row.holds, text) and (not row.wrapper or files.text(row.wrapper) is not None):
            source = f"{row.name} and {row.wrapper}" if row.wrapper else row.name
            yield Candidate(command=row.command, source=source, standing="convention")
    yield from _node(files)


def _node(files: Files) -> Iterator[Candidate]:
    """Node's own runner, where package.json names no other and there are files that it looks for."""
    found = sorted(path for path in files.paths if known.NODE_TESTS.search(path))
    if found and files.text("package.json") is not None:
        yield Candidate(command=known.NODE_TEST, source=f"package.json and {found[0]}", standing="convention")


def _present(files: Files) -> Iterator[Candidate]:
    if files.tests:
        yield _pytest(files, f"test files, such as {files.tests[0]}", "presence")


def _odd_names(files: Files) -> tuple[str, ...]:
    """Modules with test cases of unittest that pytest would not collect by their names, such as tests.py; at most a few."""
    named = sorted(path for path in files.paths if fnmatch(path.rsplit("/", 1)[-1], known.UNITTEST_NAMES))
    read = ((path, files.data(path)) for path in named[:LOOKED_INTO])
    found = [path for path, text in read if _TEST_CASES.search(text) and not _RUNS_AT_IMPORT.search(text)]
    return tuple(found[:NAMED_FILES])


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


def _pytest(files: Files, source: str, standing: Standing, modules: tuple[str, ...] = ()) -> Candidate:
    """pytest as it is started here, and why. It runs `modules`; without any what it finds, else test cases by other names."""
    named = modules or (() if files.tests else _odd_names(files))
    command = " ".join((_started(files), *map(shlex.quote, named)))
    if more := pytest_options.warnings(files):
        command = f"{command} {more}"
    if more := pytest_options.override(files):
        command, source = f"{command} {more}", f"{source}; without its options for coverage, parallel runs and reports"
    return Candidate(command=command, source=source, standing=standing)


def _started(files: Files) -> str:
    """As a module where the tests import from the root and pytest alone would not find it."""
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
