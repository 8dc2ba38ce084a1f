"""Ports for servers that have to be told theirs before they start."""

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

_held: list[socket.socket] = []
"""Bound and never listened on, until this process ends."""


def hold(port: int = 0) -> socket.socket:
    """A socket that holds a port of 127.0.0.1, any where it is 0: the system gives that to nobody who asks for just any.

    Who asks for this one gets it, as servers do (with SO_REUSEADDR), and again after a restart. Meanwhile connections are
    refused.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


def reserved() -> int:
    """A port on which only who is told of it listens, as long as this process lives."""
    _held.append(hold())
    return int(_held[-1].getsockname()[1])


@contextlib.contextmanager
def usual() -> Iterator[None]:
    """While the block runs no other test process starts what takes the usual ports where they are free, as the demo does."""
    file = Path(tempfile.gettempdir()) / f"baton-usual-ports-{os.getuid()}"
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
