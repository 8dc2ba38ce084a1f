"""Running a declared check: in the sandbox, on a throw-away checkout, read by its JUnit report where it is pytest."""

import asyncio
import contextlib
import shlex
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from activities.files import paths
from activities.git import Mirror
from activities.repositories.verdict import FAILURES_LIMIT
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Completed, Sandbox
from contracts.errors import Misconfigured
from contracts.text import for_model

JUNIT = ".baton-junit.xml"
JUNIT_LIMIT = 16 * 1024 * 1024
TAIL = 6000

_SHELL = set("|&;<>()$`\\\"'*?[]#~=%!{}\n")


@dataclass(frozen=True)
class Ran:
    """One run of a check. `total` and `failures` are None and empty where single tests are not reported."""

    command: str
    exit_code: int | None
    timed_out: bool
    output: bytes
    total: int | None
    failures: tuple[str, ...]
    duration: timedelta
    stopped: str = ""
    unnamed: int = 0
    """Failed tests beyond those in `failures`."""

    @property
    def tail(self) -> str:
        """The end of the output, made safe to show."""
        text = self.output.decode(errors="replace")
        return for_model(text[-TAIL:], TAIL + 200)


def is_pytest(command: str) -> bool:
    """True for `pytest …` and `python -m pytest …` without shell syntax: then the report file can be asked for."""
    words = _words(command)
    return words[:1] == ["pytest"] or (len(words) > 2 and words[0].startswith("python") and words[1:3] == ["-m", "pytest"])


def argv_of(command: str) -> list[str]:
    """The command as it is run: split where it is plain words, by the sandbox's own shell where it is more."""
    if not command.strip():
        raise Misconfigured("the check is empty; name a command such as 'pytest -q'")
    words = _words(command)
    if not words:
        return ["/bin/sh", "-c", command]
    if not is_pytest(command):
        return words
    end = words.index("--") if "--" in words else len(words)
    return [*words[:end], f"--junitxml={JUNIT}", *words[end:]]


async def run_check(
    sandbox: Sandbox,
    workspaces: Workspaces,
    mirror: Mirror,
    tree: str,
    command: str,
    *,
    environment: Path | None = None,
    limit: timedelta = timedelta(minutes=30),
) -> Ran:
    """Run the command on a fresh checkout of the tree and read what it showed. The checkout is deleted in any case."""
    argv = argv_of(command)
    context = workspaces.scratch(mirror, tree)
    directory = await asyncio.to_thread(context.__enter__)
    try:
        _remove_report(directory)
        completed = await sandbox.run(argv, directory=directory, environment=environment, timeout=limit)
        total, failures, unnamed = await asyncio.to_thread(_report, directory) if is_pytest(command) else (None, (), 0)
    finally:
        await asyncio.shield(asyncio.to_thread(context.__exit__, None, None, None))
    return _ran(command, completed, total, failures, unnamed)


def _ran(command: str, completed: Completed, total: int | None, failures: tuple[str, ...], unnamed: int) -> Ran:
    return Ran(
        command=command,
        exit_code=completed.exit_code,
        timed_out=completed.timed_out,
        output=completed.output,
        total=total,
        failures=failures,
        duration=completed.duration,
        stopped=completed.stopped,
        unnamed=unnamed,
    )


def _words(command: str) -> list[str]:
    """The command's words, or none where it needs a shell. Quotes are fine, anything else that a shell reads is not."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    plain = command.replace('"', "").replace("'", "").replace("=", "").replace("[", "").replace("]", "")
    assigns = bool(words) and "=" in words[0]  # `CI=1 pytest`: only a shell takes it as a variable
    return [] if assigns or any(letter in _SHELL for letter in plain) else words


def _remove_report(directory: Path) -> None:
    """Take away a report that the repository brings along: a run that ends before it writes its own must not be read by it."""
    with contextlib.suppress(OSError):
        (directory / JUNIT).unlink()


def _report(directory: Path) -> tuple[int | None, tuple[str, ...], int]:
    """Tests that ran, ids of those that failed, and how many more did. A missing or broken report counts as no test."""
    try:
        data = paths.read_file(directory, JUNIT, JUNIT_LIMIT)
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
    """False for a skipped test. One that is expected to fail did run."""
    skipped = case.find("skipped")
    return skipped is None or skipped.get("type") == "pytest.xfail" or _failed(case)


def _test_id(case: ElementTree.Element) -> str:
    parts = [part for part in (case.get("classname", ""), case.get("name", "")) if part]
    return for_model("::".join(parts), 400)
