"""The report file that pytest writes: how many tests ran, and which of them failed."""

import contextlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from activities.files import paths
from activities.repositories.verdict import FAILURES_LIMIT
from contracts.text import for_model

NAME = ".baton-junit.xml"
"""The report's file name in the checkout."""

LIMIT = 16 * 1024 * 1024
"""Largest report, in bytes, that is read."""


def remove(directory: Path) -> None:
    """Delete a report that the repository contains: it must not be taken for that of a run that wrote none."""
    with contextlib.suppress(OSError):
        (directory / NAME).unlink()


def read(directory: Path) -> tuple[int | None, tuple[str, ...], int]:
    """Number of tests that ran, ids of failed ones, and how many more failed. A missing or broken report counts as no tests."""
    try:
        data = paths.read_file(directory, NAME, LIMIT)
        root = ElementTree.fromstring(data)  # noqa: S314 (expat itself bounds entity expansion)
    except (paths.PathRefused, OSError, ElementTree.ParseError, ValueError, LookupError):  # the last two: odd encodings
        return 0, (), 0
    cases = list(root.iter("testcase"))
    failed = tuple(sorted({_test_id(case) for case in cases if _failed(case)}))
    named = failed[:FAILURES_LIMIT]
    return sum(_ran_at_all(case) for case in cases), named, len(failed) - len(named)


def _failed(case: ElementTree.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def _ran_at_all(case: ElementTree.Element) -> bool:
    """False for a skipped test. An expected failure (xfail) did run."""
    skipped = case.find("skipped")
    return skipped is None or skipped.get("type") == "pytest.xfail" or _failed(case)


def _test_id(case: ElementTree.Element) -> str:
    parts = [part for part in (case.get("classname", ""), case.get("name", "")) if part]
    return for_model("::".join(parts), 400)
