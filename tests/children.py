"""Processes that tests start. Each ends with its block, however the block ends, and begins with no signal ignored."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = float(os.environ.get("TESTS_PATIENCE", "300"))
"""Seconds after which a program that should end by itself fails its test: far beyond what a loaded machine needs.

`python -m tests.mutants` sets less, for there a wait that comes to nothing is what is expected.
"""

USUALLY_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)


def ignore_for_ourselves_only() -> None:
    """Signals that this process was started to ignore stay ignored here, and reach the processes that it starts.

    A shell's `&` has SIGINT ignored and `nohup` SIGHUP, and children inherit that: a demo that is sent Ctrl-C would go on
    for ever. A handler is not inherited.
    """
    for number in USUALLY_IGNORED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@contextlib.contextmanager
def started(*command: str | Path, **how: Any) -> "Iterator[subprocess.Popen[Any]]":
    """A process, with the keywords of `Popen`. Killed at the end of the block where it still runs; pipes are closed."""
    with subprocess.Popen(command, **how) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextlib.asynccontextmanager
async def started_here(*command: str | Path, **how: Any) -> AsyncIterator[Process]:
    """The same on the event loop, with the keywords of `create_subprocess_exec`."""
    process = await asyncio.create_subprocess_exec(*command, **how)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def finished(*command: str | Path, **how: Any) -> tuple[int, str, str]:
    """Run a program to its end: its exit code, what it printed, and what it said on stderr."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    async with started_here(*command, **(pipes | how)) as process, asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), (err or b"").decode()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds that another process brings about, or fail with what did not happen."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"within {PATIENCE} s it did not happen that {what}"
        time.sleep(0.01)
