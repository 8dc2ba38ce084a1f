"""The report file that pytest writes: how many tests ran, how each ended, and why the failed ones failed."""

import contextlib
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from activities.files import paths
from contracts.base import sha256
from contracts.text import for_model

NAME = ".baton-junit.xml"
"""The report's file name in the checkout."""

LIMIT = 16 * 1024 * 1024
"""Largest report, in bytes, that is read."""

FAILURES_LIMIT = 200
"""Failed tests that a run names; where it names so many there may be more."""

ID_LIMIT = 400
REASONS = 20
"""Reasons that are told apart where one id failed that often; beyond, all together are one."""

_RANK = ("passed", "skipped", "xfailed", "failed")
# Addresses, temporary folders, durations and times differ in every run: with them no failure would equal itself.
_CHANGING = re.compile(
    r"0x[0-9a-fA-F]+|/tmp/\S+|pytest-\d+|\b\d+(\.\d+)? ?(s|ms|us|seconds?)\b|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"
)


@dataclass(frozen=True)
class Results:
    """What a report says. `problem` is why it says nothing, "" where it was read.

    `outcomes` has every test by its id: passed, skipped, xfailed or failed, the last of these that fits where an id came
    more than once. `reasons` has the normalised reasons of the failed ones, each time that one failed.
    """

    total: int = 0
    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    not_run: bool = False
    """The session ended before all tests that were found had run."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Ids of failed tests, the first `FAILURES_LIMIT`."""
        return tuple(sorted(self.reasons))[:FAILURES_LIMIT]

    @property
    def unnamed(self) -> int:
        """Failed tests beyond those."""
        return len(self.reasons) - len(self.failed)


def remove(directory: Path) -> None:
    """Delete a report that the repository contains: it must not be taken for that of a run that wrote none."""
    with contextlib.suppress(OSError):
        (directory / NAME).unlink()


def read(directory: Path) -> Results:
    """What the report says. A missing, too large or broken one counts as no test, and says which it is."""
    try:
        root = ElementTree.fromstring(paths.read_file(directory, NAME, LIMIT))  # noqa: S314 (expat bounds entity expansion)
    except paths.PathRefused as error:
        return Results(problem=f"the report of single tests was not read: {error}")
    except FileNotFoundError:
        return Results(problem="no report of single tests was written: the run ended early, or its settings turn reports off")
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: odd encodings
        return Results(problem=for_model(f"the report of single tests cannot be read: {error}", 300))
    return _results(root)


def _results(root: ElementTree.Element) -> Results:
    cases = list(root.iter("testcase"))
    outcomes: dict[str, str] = {}
    reasons: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        name, outcome = _test_id(case), _outcome(case)
        outcomes[name] = max(outcome, outcomes.get(name, "passed"), key=_RANK.index)
        if outcome == "failed":
            reasons[name] += [_reason(one) for one in case if one.tag in ("failure", "error")]
    total = sum(_outcome(case) != "skipped" for case in cases)
    told = {name: _together(found) for name, found in reasons.items()}
    # `activities/sandbox/interpreter.py` has pytest say so: what it prints depends on what stopped it.
    not_run = any(one.get("name") == "baton-not-run" for one in root.iterfind("*/properties/property"))
    return Results(total, outcomes, told, not_run=not_run)


def _outcome(case: ElementTree.Element) -> str:
    """One that is expected to fail did run, and so did one that failed on the way down after it was skipped."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"


def _reason(found: ElementTree.Element) -> str:
    """What a failure says, without what changes from run to run, and the file that it was raised in: as a short digest.

    A test has as many as it has failed sub-tests, or one of its own and one of its teardown.
    """
    said = found.get("message") or (found.text or "").strip()[-2000:]
    # Without line numbers: an edit further up moves them, and an old failure would look like a new one.
    places = re.findall(r"^(\S+?):\d+: ", found.text or "", re.MULTILINE)
    return sha256("\n".join([_CHANGING.sub("…", said[:4000]), *places[-1:]]).encode())[:8]


def _together(found: list[str]) -> str:
    """All reasons of one id, each as often as it came."""
    return ",".join(sorted(found)) if len(found) <= REASONS else sha256(",".join(sorted(found)).encode())[:8]


def _test_id(case: ElementTree.Element) -> str:
    """As a person reads it. A long one ends with a digest of the whole: two that begin alike stay two."""
    whole = "::".join(part for part in (case.get("classname", ""), case.get("name", "")) if part)
    shown = for_model(whole, ID_LIMIT)
    return (
        shown
        if len(whole) <= ID_LIMIT
        else f"{for_model(whole[: ID_LIMIT - 40], ID_LIMIT - 20)}… {sha256(whole.encode())[:12]}"
    )
