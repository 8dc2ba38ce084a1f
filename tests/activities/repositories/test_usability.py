"""Whether a check can prove anything: told from one run of it on the base, with what to do where it cannot."""

from typing import Any

import pytest

from activities.repositories.usability import counted, trouble
from contracts.base import ArtifactRef, sha256
from contracts.repositories import CheckRun


def run(command: str = "pytest -q", code: int | None = 0, **more: Any) -> CheckRun:
    """One run of a check."""
    return CheckRun(command=command, tree="", exit_code=code, output=ArtifactRef(digest=sha256(b""), size=0), **more)


FINE = [
    run(total=3),
    run(code=1, total=3, failures=("t::a",)),
    run(code=1, total=300, failures=tuple(f"t::{at}" for at in range(200)), unnamed=50),
    run(code=1, total=1, failures=("t::a",), stopped_early=True),
    run(code=1, total=3, failures=("t::a", "t::b", "t::c"), stopped_early=True),
    run(code=2, total=2, failures=("t::a", "t::b"), stopped_early=True),
    run(code=0, total=2, stopped_early=True),
    run("make test"),
    run("npm test --silent"),
]


@pytest.mark.parametrize("ran", FINE)
def test_some_red_tests_are_no_trouble(ran: CheckRun) -> None:
    """A base where something passes, or may pass after an early stop, is a base: old failures are told apart from new ones."""
    assert trouble(ran) is None


CANNOT = [
    (run("pyest -q", 127), "pyest was not found", "correct the command"),
    (run("npm test --silent", 127), "npm was not found", "install npm (Debian: npm) below /usr"),
    (run("npm test", 127, tail="sh: 1: eslint: not found"), "npm started, but eslint was not found", "baton prepare"),
    (run("make test", 127, tail="/bin/sh: line 1: cargo: command not found"), "but cargo was not found", "Rust's cargo"),
    (run("go test ./...", 127, tail="sh: 1: exec: go: not found"), "go was not found", "Go (Debian: golang-go)"),
    (run("pnpm test", 127), "pnpm was not found", "--check 'npm test --silent' runs the same script"),
    (run("tox", 127, tail="sh: 1: exec: tox: not found"), "tox was not found", "name what it runs"),
    (run("bin/check", 127), "bin/check was not found", "--environment"),
    (run("./run-tests", 126), "cannot be executed", "chmod=+x"),
    (run("'bin/my tests' -v", 126), "bin/my tests cannot be executed", "have `sh` run"),
    (run(code=4, total=0), "usage error", "correct the command"),
    (run(code=5, total=0), "found no tests", "name the folder"),
    (run(code=2, total=1, failures=("tests.test_a",)), "collection errors", "mend the test files"),
    (run("pytest -x", 1, total=1, failures=("tests.test_a",), stopped_early=True), "collection errors", "mend the test files"),
    (run(code=3, total=0), "internal error", "end of the output"),
    (run(code=None, timed_out=True, seconds=1800), "stopped after 1800 s", "raise `time`"),
    (run("make test", None, timed_out=True, seconds=2), "stopped after 2 s", "a faster check"),
    (run(code=None), "stopped before it ended", "baton doctor"),
    (run(code=None, stopped="it filled the disk"), "before it ended: it filled the disk", "baton doctor"),
    (run(code=None, stopped="its processes used 9 MiB of memory"), "used 9 MiB of memory", "raise `memory_mib`"),
    (run("make test", 137, stopped="more memory than 9 MiB"), "signal 9: more memory than 9 MiB", "raise `memory_mib`"),
    (run("make test", 0, stopped="more memory than 9 MiB"), "with 0, but not all of it ran: more memory", "raise `memory_mib`"),
    (run("go test ./...", 137), "ended by signal 9", "memory_mib"),
    (run("make test", 139), "ended by signal 11", "memory_mib"),
    (run(code=0, total=0), "no test was counted", "a check that runs tests"),
    (run(code=1, total=0), "no test was counted", "a check that runs tests"),
    (run(code=0, total=0, report="no report was written"), "no test was counted: no report was written", "`sh -c …`"),
]


@pytest.mark.parametrize(("ran", "why", "mend"), CANNOT, ids=[f"{row[0].command} {row[1]}" for row in CANNOT])
def test_what_cannot_run_is_told_with_what_to_do(ran: CheckRun, why: str, mend: str) -> None:
    """Each way in which no test has run as it should, with the command it is about."""
    found = trouble(ran)
    assert found is not None
    assert (found.kind, why in found.why, mend in found.mend) == ("cannot_run", True, True), found
    assert ran.command in found.why


ALL_RED = [
    (run(code=1, total=2, failures=("t::a", "t::b")), "all 2 tests fail"),
    (run(code=1, total=250, failures=tuple(f"t::{at}" for at in range(200)), unnamed=50), "all 250 tests fail"),
    (run("make test", 2), "exit code 2, and single tests are not reported"),
    (run("cargo test", 101), "exit code 101"),
]


@pytest.mark.parametrize(("ran", "why"), ALL_RED, ids=[row[1] for row in ALL_RED])
def test_where_nothing_passes_old_failures_would_hide_new_ones(ran: CheckRun, why: str) -> None:
    """All red, or red as a whole: it ran, and still proves nothing."""
    found = trouble(ran)
    assert found is not None
    assert (found.kind, why in found.why) == ("all_red", True), found


HINTS = [
    ("E   ModuleNotFoundError: No module named 'httpx'", "the Python package httpx is not in the environment"),
    ("/usr/bin/python3: No module named pytest", "the Python package pytest is not in the environment"),
    ("pytest: error: unrecognized arguments: --cov=shop\n  inifile: x", "pytest does not know --cov=shop,"),
    (
        "pytest.PytestConfigWarning: Unknown config option: asyncio_mode",
        "does not know the setting asyncio_mode, which a plugin",
    ),
    ("importlib.metadata.PackageNotFoundError: No package metadata was found for shop", "ask for the metadata of shop"),
    ("ERROR: Missing required plugins: pytest-asyncio", "the pytest plugin pytest-asyncio is not in"),
    ("Error: Cannot find module 'express'", "the npm package express is not there"),
    ("E   pytest.PytestRemovedIn10Warning: Passing a non-Collection", "written for another version of pytest"),
    ("pluggy._manager.PluginValidationError: Plugin 'conftest.py'", "written for another version of pytest"),
    ("sh: 1: jest: not found", "the program jest is not in the sandbox"),
    ("/bin/sh: line 1: golint: command not found", "the program golint is not in the sandbox"),
    ("make: cargo: No such file or directory", "the program cargo is not in the sandbox"),
    ("dial tcp: lookup proxy.golang.org: i/o timeout", "the check wants the network"),
    ("java.net.UnknownHostException: services.gradle.org", "the check wants the network"),
    ("npm error code ENOTFOUND", "the check wants the network"),
]


@pytest.mark.parametrize(("said", "mend"), HINTS, ids=[row[1] for row in HINTS])
def test_what_the_output_says_is_missing_comes_first(said: str, mend: str) -> None:
    """What is missing is named by the output, and what to do about it says more than the exit code."""
    found = trouble(run("make test", 2, tail=f"some lines\n{said}\n"))
    assert found is not None
    assert mend in found.mend, found


def test_a_run_is_counted_in_a_few_words() -> None:
    """Tests where they are reported, else how it ended."""
    assert counted(run(total=4, code=1, failures=("t::a",), seconds=2)) == "4 tests ran, 1 failed"
    assert counted(run(total=1)) == "1 test ran, none failed"
    early = run(total=1, code=1, failures=("t::a",), stopped_early=True)
    assert counted(early) == "1 test ran, 1 failed; it stopped there, before all tests had run (as with -x or --maxfail)"
    assert counted(run("make test", 2, seconds=7)) == "exit code 2"


@pytest.mark.parametrize(
    "tail",
    ["/bin/sh: 0: Cannot fork\n", "RuntimeError: can't start new thread\n", "bash: fork: Resource temporarily unavailable\n"],
)
def test_a_check_that_may_start_no_more_processes_says_what_to_raise(tail: str) -> None:
    """It ends with a code of its own, so its words are what tells."""
    found = trouble(run("make test", 2, tail=tail))
    assert found is not None
    assert "raise `processes` in the table [checks]" in found.mend


def test_what_was_ended_in_part_is_not_green() -> None:
    """A check may ignore that the kernel has killed a part of it, and end with 0."""
    assert run("make test").green
    assert not run("make test", stopped="the kernel ended a process of it").green
