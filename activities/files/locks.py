"""Locks between processes of one machine, held by an open file: the system releases those of a killed holder."""

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
    """Another process is using the same thing and did not finish in time. Try again, or look for a worker that hangs."""


@contextmanager
def locked(path: Path, wait: timedelta, what: str) -> Iterator[None]:
    """Hold the lock file inside the block. Waits for another holder; raises `Busy` (naming `what`) if that takes too long.

    Threads of one process exclude each other, too. Not reentrant: a thread that takes a lock twice waits for itself.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait.total_seconds()
    while (descriptor := _try(path)) is None:
        if time.monotonic() >= deadline:
            raise Busy(
                f"{what} is in use by another process and was not free within {wait.total_seconds():g} s; "
                "try again, or look for a worker that hangs"
            )
        # Polled, because a blocking flock has no timeout.
        time.sleep(_STEP)
    try:
        yield
    finally:
        os.close(descriptor)


def _try(path: Path) -> int | None:
    """Try to take the lock. Returns the open lock file, or None if somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder may have deleted the file: a lock on a file without a name excludes nobody.
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
