"""Forks of `tests/forks.py` stand in for the installed program: what is proven with them holds for it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import feed
from ledger.db import Ledger
from tests import children, forks
from tests.commands.conftest import Baton, Begin
from tests.commands.test_shell import PROGRAM
from tests.commands.test_surroundings import ran
from tests.ledger import samples

FOLLOW = ("feed", "--follow", "--jsonl")


@pytest.mark.parametrize(
    "arguments", [("--version",), ("runs",), ("show", "nothing", "--json"), ("nothing",), ("context", "list")], ids=" ".join
)
def test_a_fork_does_what_the_program_does(baton: Baton, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The same exit code, and the same words on each stream, which name this test's state and settings."""
    variables = {**os.environ, "BATON_STATE": "own/state", "BATON_TASK_QUEUE": "own"}
    how = {"env": variables, "cwd": tmp_path}
    assert ran([*forks.program(), *arguments], **how) == ran([*PROGRAM, *arguments], **how)


def test_a_signal_reaches_the_fork(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Ctrl-C: the exit code says so."""
    with _following(ledger, begin) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=children.PATIENCE)
    assert process.returncode == 130


def test_no_fork_outlives_whoever_asked_for_it(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Killed, the client cannot tell its fork to end: its streams are closed all the same, for it is killed as well."""
    with _following(ledger, begin) as process:
        process.kill()
        process.communicate(timeout=children.PATIENCE)  # ends when nobody has the other end of its streams
    assert process.returncode == -signal.SIGKILL


@contextmanager
def _following(ledger: Ledger, begin: Begin) -> "Iterator[subprocess.Popen[bytes]]":
    """A command that runs until it is ended, and has begun."""
    begin()
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one")])
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with children.started(*forks.program(), *FOLLOW, **streams) as process:
        assert process.stdout is not None
        assert b'"did one"' in process.stdout.readline()
        yield process
