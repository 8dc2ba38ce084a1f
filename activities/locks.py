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
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, time.monotonic() + wait.total_seconds(), wait, what)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, deadline: float, wait: timedelta, what: str) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Busy(
                    f"{what} is in use by another process and was not free within {wait.total_seconds():g} s; "
                    "try again, or look for a worker that hangs"
                ) from None
            time.sleep(_STEP)
        else:
            return
