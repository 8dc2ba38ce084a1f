"""One run of a check: in the sandbox, on a throw-away checkout, read from its JUnit report if it is pytest."""

import asyncio
import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from activities.git import Mirror
from activities.repositories import junit
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Completed, Sandbox
from contracts.errors import Misconfigured
from contracts.text import for_model

TAIL = 6000

_SHELL = set("|&;<>()$`\\\"'*?[]#~=%!{}\n")


@dataclass(frozen=True)
class Ran:
    """One run of a check. `total` is None and `failures` is empty if single tests are not reported."""

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
    """True for `pytest …` and `python -m pytest …` without shell syntax: only then can a report file be requested."""
    words = _words(command)
    return words[:1] == ["pytest"] or (len(words) > 2 and words[0].startswith("python") and words[1:3] == ["-m", "pytest"])


def argv_of(command: str) -> list[str]:
    """The command as it is run: split if it is plain words, else for the sandbox's shell. Raises `Misconfigured` if empty."""
    if not command.strip():
        raise Misconfigured("the check is empty; name a command such as 'pytest -q'")
    words = _words(command)
    if not words:
        return ["/bin/sh", "-c", command]
    if not is_pytest(command):
        return words
    # Before a `--`: after it pytest reads paths only.
    end = words.index("--") if "--" in words else len(words)
    return [*words[:end], f"--junitxml={junit.NAME}", *words[end:]]


async def run_check(
    sandbox: Sandbox,
    workspaces: Workspaces,
    mirror: Mirror,
    tree: str,
    command: str,
    *,
    environment: Path | None = None,
    limit: timedelta | None = None,
) -> Ran:
    """Run the command on a fresh checkout of the tree and read its results. The checkout is always deleted.

    `limit` None: the setting `checks.time`.
    """
    argv = argv_of(command)
    context = workspaces.scratch(mirror, tree)
    # In threads: writing or deleting thousands of files here would block the event loop, and with it every heartbeat.
    directory = await asyncio.to_thread(context.__enter__)
    try:
        junit.remove(directory)
        completed = await sandbox.run(argv, directory=directory, environment=environment, timeout=limit)
        total, failures, unnamed = await asyncio.to_thread(junit.read, directory) if is_pytest(command) else (None, (), 0)
    finally:
        # Shielded: the checkout is deleted even if the activity is cancelled meanwhile.
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
    """The command's words; none if it needs a shell. Quotes are fine, any other shell syntax is not."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    plain = command.replace('"', "").replace("'", "").replace("=", "").replace("[", "").replace("]", "")
    assigns = bool(words) and "=" in words[0]  # `CI=1 pytest`: only a shell takes it as a variable
    return [] if assigns or any(letter in _SHELL for letter in plain) else words
