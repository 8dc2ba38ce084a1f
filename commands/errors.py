"""Exit codes, and the one place that maps an exception to a code and a message."""

import errno
import sys
import tempfile
import traceback
from collections.abc import Sequence
from enum import IntEnum

import typer

import places
from contracts.errors import (
    INPUT_WAS_REFUSED,
    Ambiguous,
    BatonError,
    ContractViolation,
    LedgerUnavailable,
    Misconfigured,
    NotFound,
    Refused,
)
from contracts.text import title


class Code(IntEnum):
    """The exit codes of all commands."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    WAITS = 4
    REFUSED = 5
    UNREACHABLE = 6
    NO_WORKER = 7
    BUDGET = 8
    NOT_ENDED = 9
    FINDINGS = 10
    INTERRUPTED = 130
    PIPE = 141


class Usage(BatonError):
    """The command line is invalid; the message names the option and what it accepts."""


class NoWorker(BatonError):
    """No worker answers. Start one with `baton up` or `python worker.py`; the request is kept and may still be applied."""


class Watched(BatonError):
    """Interrupted while watching a run, which goes on."""


class NothingYet(NotFound):
    """No ledger here yet: nothing has run in this folder. Start with `baton demo`, or `baton up` and `baton deliver`."""


# The first match counts.
_CODES: tuple[tuple[type[BaseException], Code], ...] = (
    (Usage, Code.USAGE),
    (Ambiguous, Code.USAGE),
    (ContractViolation, Code.USAGE),
    (Misconfigured, Code.USAGE),
    (NotFound, Code.NOT_FOUND),
    (Refused, Code.REFUSED),
    (NoWorker, Code.NO_WORKER),
    (LedgerUnavailable, Code.UNREACHABLE),
    (Watched, Code.INTERRUPTED),
    (KeyboardInterrupt, Code.INTERRUPTED),
    (typer.Abort, Code.INTERRUPTED),
)


def check_utf8(arguments: Sequence[str]) -> None:
    """Check that the command line is text: the ledger and Temporal hold nothing else. Raises `Usage` or `NotFound`."""
    for before, argument in zip(("", *arguments), arguments, strict=False):
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode(errors="surrogateescape").decode(errors="backslashreplace")
        else:
            continue
        if argument.startswith("-") or (before.startswith("-") and before not in _WITHOUT_VALUE):
            raise Usage(f"'{shown}' is not UTF-8 text, and nothing else can be stored. Write it in UTF-8")
        raise NotFound(f"nothing is called '{shown}': it is not UTF-8, as every name and id is. `baton runs` lists the runs")


_WITHOUT_VALUE = {
    "--json",
    "--jsonl",
    "--yes",
    "-y",
    "--wait",
    "--wait-for-gate",
    "--follow",
    "-f",
    "--overview",
    "--debug",
    "--",
}
"""Options after which a name may follow."""


def explain(error: BaseException, *, debug: bool = False) -> tuple[Code, str]:
    """The exit code for an exception, and a message that says what happened, why, and what to do."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code, str(error) or "interrupted"
    if isinstance(error, typer.TyperException):
        return Code.USAGE, _usage(error)
    return _from_libraries(error) or _unexpected(error, debug=debug)


def is_budget(reason: str) -> bool:
    """True if a run ended because a ceiling left no room for a call (the text of `ledger.money.spend.CeilingReached`)."""
    return ": the ceiling is $" in reason


def is_refused_input(reason: str) -> bool:
    """True if a run ended because its input was refused (the kit's `Pipeline` writes that prefix)."""
    return reason.startswith(INPUT_WAS_REFUSED)


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None) or "baton"
    what = error.format_message().rstrip(".") or "no command given; they are listed above"
    return f"{what}{'' if what.endswith('?') else '.'} See `{path} --help`"


def _from_libraries(error: BaseException) -> tuple[Code, str] | None:
    """Map errors of Temporal and the database. Checked without importing their modules, which is slow."""
    if isinstance(error, BatonError):
        if is_budget(str(error)):
            return Code.BUDGET, str(error)
        return _CODES_BY_NAME.get(type(error).__name__, Code.FAILED), str(error)
    # Whatever it was about: the system has said no, and that is nothing to report as a fault of Baton.
    if isinstance(error, OSError) and error.filename is not None:
        return Code.USAGE, f"this cannot be read or written: {places.unable(error)}"
    if type(error).__module__.startswith("temporalio."):
        return _from_temporal(error)
    if isinstance(error, OSError) and error.errno in _DISK:
        place = f": {error.filename}" if isinstance(error.filename, str) else ""
        return Code.FAILED, f"the disk cannot be written ({error.strerror}{place}); make room there and try again"
    # If SQLAlchemy is not loaded, the error cannot be one of its errors.
    sqlalchemy = sys.modules.get("sqlalchemy.exc")
    if sqlalchemy is not None and isinstance(error, sqlalchemy.DBAPIError):
        reason = first_line(getattr(error, "orig", None) or error)
        return (
            Code.UNREACHABLE,
            f"the ledger cannot be used: {reason}. Run `baton doctor`; the address is the setting `ledger_url`",
        )
    return None


_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

_CODES_BY_NAME = {"Unreachable": Code.UNREACHABLE, "CeilingReached": Code.BUDGET, "NotAdmitted": Code.USAGE}
"""Errors matched by name because importing their modules here is too slow."""


def _from_temporal(error: BaseException) -> tuple[Code, str] | None:
    status = getattr(getattr(error, "status", None), "name", "")
    reason = first_line(error)
    # CANCELLED is also what the client reports when its own limit for a request has passed.
    if status in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}:
        return Code.UNREACHABLE, f"Temporal does not answer: {reason}. Run `baton doctor` to check the connection"
    # Without its first letter, which is a capital at the beginning of the server's sentence.
    if status == "FAILED_PRECONDITION" and "Workflow Task in failed state" in reason:
        text = "Temporal takes nothing for this run now, and nothing was sent: its last task timed out or failed"
        return Code.NO_WORKER, f"{text}, as its worker was stopped or is broken. Look with `baton doctor`, and try again"
    if status == "NOT_FOUND" and "amespace" in reason:
        text = f"Temporal says: {reason} Set the namespace in temporal.toml or TEMPORAL_NAMESPACE, or create it"
        return Code.USAGE, text
    if status in {"PERMISSION_DENIED", "UNAUTHENTICATED"}:
        return Code.USAGE, f"Temporal denied access: {reason}. Fix the credentials in temporal.toml or TEMPORAL_API_KEY"
    if status == "NOT_FOUND":
        return Code.NOT_FOUND, f"Temporal says: {reason}. `baton runs` lists the runs there are"
    return None


def _unexpected(error: BaseException, *, debug: bool) -> tuple[Code, str]:
    """One line for the user and the traceback in a file: it only helps whoever fixes the bug."""
    text = "".join(traceback.format_exception(error))
    if debug:
        return Code.FAILED, f"unexpected error\n{text}"
    # Made by mkstemp, so readable by this user alone: a traceback may quote what was typed.
    with tempfile.NamedTemporaryFile("w", prefix="baton-error-", suffix=".txt", delete=False) as file:
        file.write(text)
    what = f"{type(error).__name__}: {first_line(error)}"
    return Code.FAILED, f"unexpected error ({what}). Details are in {file.name}; `--debug` prints them"


def first_line(error: object) -> str:
    """The first line of an error, cut between words where it is long, without a full stop."""
    return title((str(error).strip().splitlines() or [type(error).__name__])[0], 600).rstrip(".")
