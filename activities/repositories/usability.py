"""Whether a check can prove anything, from one run of it on the base, and what to do where it cannot. Pure."""

import re
import shlex
from dataclasses import dataclass
from typing import Literal

from activities.repositories.ecosystems import (
    HINTS,
    MISSING_PROGRAM,
    NAMED_ENVIRONMENT,
    NEEDS_NETWORK,
    NODE,
    PROGRAMS,
    RUN_BY_NPM,
)
from contracts.repositories import CheckRun
from contracts.text import amount

Kind = Literal["cannot_run", "all_red"]
"""cannot_run: no test has run as it should. all_red: it ran, and nothing passed, so that old failures hide new ones."""

NOT_EXECUTABLE, NOT_FOUND, SIGNALLED = 126, 127, 128
"""Exit codes of a shell; from the last on, and the number of a signal."""

COLLECTION = 2
"""pytest's exit code where it was interrupted, or could not read all test files."""

SETTINGS = "the table [checks] of baton.toml"

_PYTEST_ENDS = {
    COLLECTION: (
        "pytest was interrupted, or could not read all test files (collection errors)",
        "mend the test files that cannot be imported, or name a check that leaves them out",
    ),
    3: ("pytest itself failed (an internal error)", "look at the end of the output, or name another check"),
    4: ("pytest refused how it was started (a usage error)", "correct the command, or the repository's pytest settings"),
    5: ("pytest found no tests", "name the folder of the tests in the command, or another check"),
}
"""What pytest's own exit codes mean where not every test has run, and what to do."""


EARLY = "it stopped there, before all tests had run (as with -x or --maxfail)"


@dataclass(frozen=True)
class Trouble:
    """Why a check proves nothing on this base, and what mends it."""

    kind: Kind
    why: str
    mend: str


def trouble(run: CheckRun) -> Trouble | None:
    """None: it ran, and at least some of it passed."""
    if run.refused:
        return Trouble("cannot_run", f"{run.command}: {run.refused}", "correct that, then name the same check again")
    ended = _not_run(run)
    if ended is not None:
        why, mend = ended
        return Trouble("cannot_run", f"{run.command}: {why}", hint(run.tail) or mend)
    if run.total is None and run.exit_code != 0:
        why = f"exit code {run.exit_code}, and single tests are not reported"
        mend = "mend the base first, or name a check that passes there, or one that reports single tests (pytest)"
        return Trouble("all_red", f"{run.command}: {why}", hint(run.tail) or mend)
    failed = len(run.failures) + run.unnamed
    # After -x or --maxfail the tests that were not run may pass: one failure of one test is not everything.
    if run.total and failed >= run.total and not run.stopped_early:
        mend = "mend the base first, or " + NAMED_ENVIRONMENT
        what = "the only test fails" if run.total == 1 else f"all {run.total} tests fail"
        return Trouble("all_red", f"{run.command}: {what}", hint(run.tail) or mend)
    return None


def hint(tail: str) -> str:
    """What to do about the first thing that the output says is missing; empty where it says nothing of the kind."""
    found = ((match, text) for pattern, text in HINTS if (match := re.search(pattern, tail)))
    told = next((text.format(match[1].strip()) for match, text in found), "")
    missing = _missing(tail)
    return told or (f"the program {missing} is not in the sandbox: {_install(missing)}" if missing else "")


def _missing(tail: str) -> str:
    """The program that a shell or make did not find; "" where none says so."""
    match = re.search(MISSING_PROGRAM, tail)
    return match[1] if match else ""


def counted(run: CheckRun) -> str:
    """What a run showed, in a few words. Without its duration: the same run tried again is told in the same words."""
    if run.total is None:
        return f"exit code {run.exit_code}"
    failed = len(run.failures) + run.unnamed
    return f"{amount(run.total, 'test')} ran, {failed or 'none'} failed" + (f"; {EARLY}" if run.stopped_early else "")


_SHELLS = ("sh", "bash", "dash", "zsh", "make", "npm")


def _not_run(run: CheckRun) -> tuple[str, str] | None:
    """Why it did not run as it should, and what to do; None where it did."""
    code, program = run.exit_code, _program(run.command)
    if run.timed_out:
        return f"it was stopped after {run.seconds} s", f"name a faster check, or raise `time` in {SETTINGS}"
    if code is None:
        said = f": {run.stopped}" if run.stopped else ""
        return f"it was stopped before it ended{said}", _more(run)
    if code == NOT_FOUND:
        # A shell inside names the program; the command's own may be there.
        missing = _missing(run.tail) or program
        inner = "" if missing == program else f"{program} started, but "
        return f"{inner}{missing} was not found (exit code 127)", _install(missing)
    if code == NOT_EXECUTABLE:
        what = "what it runs" if program in _SHELLS else program
        mend = f"make {what} executable (`git update-index --chmod=+x FILE`), or have `sh` run it"
        return f"{program} cannot be executed (exit code 126)", mend
    if code == 0 and run.stopped:
        return f"it ended with 0, but not all of it ran: {run.stopped}", _more(run)
    if code > SIGNALLED:
        said = f": {run.stopped}" if run.stopped else ""
        return f"it was ended by signal {code - SIGNALLED}{said}", _more(run)
    # A run that stops at the first failure ends as if tests had failed, also where a test file could not be read. Only names
    # of tests have two colons. And xdist ends as if it was interrupted where it stopped at a failed test.
    unread = run.stopped_early and bool(run.failures) and not any("::" in name for name in run.failures)
    interrupted = code == COLLECTION and run.stopped_early and not unread
    if run.total is not None and not interrupted and (unread or code in _PYTEST_ENDS):
        why, mend = _PYTEST_ENDS[COLLECTION if unread else code]
        return f"{why} (exit code {code})", mend
    return _uncounted(run) if run.total == 0 else None


def _uncounted(run: CheckRun) -> tuple[str, str]:
    """Why no test was counted. Where the report is the reason the tests may all have run."""
    said = f"exit code {run.exit_code}, but no test was counted"
    if not run.report:
        return said, "name a check that runs tests"
    mend = (
        "leave the report of pytest on (`-p no:junitxml`, `junit_logging` and the like), or start it from a script: `sh -c …`"
    )
    return f"{said}: {run.report}", mend


def _install(program: str) -> str:
    """What to do about a program that is not there."""
    if program in NEEDS_NETWORK:
        return f"{program} fetches packages, and a check has no network: name what it runs, such as --check 'pytest -q'"
    if program in PROGRAMS:
        elsewhere = f"name the folder whose bin holds {program} with --environment FOLDER"
        other = f"; --check '{NODE['npm']}' runs the same script" if program in RUN_BY_NPM else ""
        return f"install {PROGRAMS[program]} below /usr, where a check sees it, or {elsewhere}{other}"
    return f"correct the command, install {program} below /usr, where a check sees it, or {NAMED_ENVIRONMENT}"


def _more(run: CheckRun) -> str:
    """What to do where a limit may have ended it."""
    if "memory" in run.stopped or run.exit_code is not None:
        more = "raise `memory_mib`" if "memory" in run.stopped else "where that is 9, raise `memory_mib`"
        return f"{more} in {SETTINGS}, or name a check that needs less"
    return "the end of its output says more; `baton doctor` looks at this machine"


def _program(command: str) -> str:
    try:
        return shlex.split(command)[0]
    except (ValueError, IndexError):
        return command[:80]
