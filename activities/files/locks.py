"""Locks between processes of one machine, held by an open file: a killed holder lets go by itself."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from contracts.errors import BatonError

_STEP = 0.02


class Busy(BatonError):
    """Another process works on the same thing and did not finish in time. Try again, or look for a worker that hangs."""


@contextmanager
def locked(path: Path, wait: timedelta, what: str) -> Iterator[None]:
    """Hold the lock file while inside. Waits for another holder; raises `Busy` (naming `what`) when it takes too long.

    Threads of one process exclude each other as well. A thread that takes a lock that it holds waits for itself.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait.total_seconds()
    while (descriptor := _try(path)) is None:
        if time.monotonic() >= deadline:
            raise Busy(
                f"{what} is in use by another process and was not free within {wait.total_seconds():g} s; "
                "try again, or look for a worker that hangs"
            )
        # Polled, because a lock that blocks cannot be given up after a time.
        time.sleep(_STEP)
    try:
        yield
    finally:
        os.close(descriptor)


def _try(path: Path) -> int | None:
    """The open lock file if it is ours now."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before us may have deleted the file: a lock on a file without a name excludes nobody.
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
