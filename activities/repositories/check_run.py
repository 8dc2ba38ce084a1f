"""One run of a check: in the sandbox, on a throw-away checkout, read from its JUnit report if it is pytest."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from activities.git import Mirror
from activities.git.quota import size_of
from activities.repositories import junit
from activities.repositories.check_command import argv_of, is_pytest
from activities.repositories.kept_environments import used
from activities.repositories.workspaces import Workspaces
from activities.running import disk
from activities.sandbox import Completed, Sandbox
from activities.sandbox.ending import FULL
from contracts.text import for_model

TAIL, LINE = 6000, 200

ITS_OWN = 512 * 1024 * 1024
"""Bytes in its folder from which on a command that was stopped on a full disk has filled it itself."""

_MISSING = re.compile(r"^E +(?:ModuleNotFoundError|ImportError): No module named .*$", re.MULTILINE)

_STOPPED = re.compile(rb"^!+ (stopping after \d+ failures|xdist.*stopping|Interrupted: stopping).*!+\s*$", re.MULTILINE)
"""What pytest says where `-x` or `--maxfail` ended it before all tests ran."""


@dataclass(frozen=True)
class Ran:
    """One run of a check. `results` is None where single tests are not reported."""

    command: str
    completed: Completed
    results: junit.Results | None

    @property
    def output(self) -> bytes:
        """What it printed."""
        return self.completed.output

    @property
    def exit_code(self) -> int | None:
        """None: it was stopped."""
        return self.completed.exit_code

    @property
    def timed_out(self) -> bool:
        """True where it took longer than it may."""
        return self.completed.timed_out

    @property
    def stopped(self) -> str:
        """Why it was stopped, "" where it ended by itself."""
        return self.completed.stopped

    @property
    def duration(self) -> timedelta:
        """How long it took."""
        return self.completed.duration

    @property
    def total(self) -> int | None:
        """Tests that ran; None where single tests are not reported."""
        return None if self.results is None else self.results.total

    @property
    def failures(self) -> tuple[str, ...]:
        """Ids of failed tests."""
        return () if self.results is None else self.results.failed

    @property
    def unnamed(self) -> int:
        """Failed tests beyond those in `failures`."""
        return 0 if self.results is None else self.results.unnamed

    @property
    def stopped_early(self) -> bool:
        """True where pytest says that it did not go on to the end, in its report or, as pytest-xdist does, only in words."""
        return self.results is not None and (self.results.not_run or _STOPPED.search(self.output[-TAIL:]) is not None)

    @property
    def tail(self) -> str:
        """The end of the output, made safe to show."""
        return self.end(TAIL)

    def end(self, limit: int) -> str:
        """The last characters of the output, made safe to show, with what is missing before them and why it was stopped behind.

        Where many test files lack the same module, the summary at the end names only the files.
        """
        text = self.output.decode(errors="replace")
        shown, missing = text[-limit:], _MISSING.search(text)
        if missing is not None and not _MISSING.search(shown):
            shown = f"{missing[0][:LINE]}\n[…]\n{shown[LINE:]}"
        return for_model(f"{shown}\n[{self.stopped}]" if self.stopped else shown, limit + 400)


async def run_check(
    sandbox: Sandbox,
    workspaces: Workspaces,
    mirror: Mirror,
    tree: str,
    command: str,
    *,
    environment: Path | None = None,
    limit: timedelta | None = None,
    options: Sequence[str] = (),
    prepare: Callable[[Path], None] | None = None,
) -> Ran:
    """Run the command on a fresh checkout of the tree and read what it showed. The checkout is deleted in any case.

    `options` are added where the command is pytest; `prepare` may change the checkout before the command sees it.
    `limit` None: the setting `checks.time`. Raises `DiskUnavailable` where the disk has too little room for any command, before
    it or by what others wrote meanwhile: then what the command showed says nothing about the tree.
    """
    argv = argv_of(command, *options)
    if environment is not None:
        await asyncio.to_thread(used, environment)
    context = workspaces.scratch(mirror, tree)
    # In threads: writing or deleting thousands of files here would block the event loop, and with it every heartbeat.
    directory = await asyncio.to_thread(context.__enter__)
    try:
        if prepare is not None:
            await asyncio.to_thread(prepare, directory)
        junit.remove(directory)
        if lacking := sandbox.short_of_disk(directory):
            raise disk.away(lacking)
        completed = await sandbox.run(argv, directory=directory, environment=environment, timeout=limit)
        if completed.stopped == FULL and await asyncio.to_thread(size_of, directory) < ITS_OWN:
            raise disk.away("it became full while a check ran, which wrote little itself")
        results = await asyncio.to_thread(junit.read, directory) if is_pytest(command) else None
    finally:
        # Shielded: the checkout is deleted even if the activity is cancelled meanwhile.
        await asyncio.shield(asyncio.to_thread(context.__exit__, None, None, None))
    return Ran(command, completed, results)
