"""Ports for servers that have to be told theirs before they start."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / f"baton-test-ports-{os.getuid()}"
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
MANY = 10_000

_held: list[int] = []
"""Descriptors of the locked files. The system lets go of them when this process ends, in whatever way."""


def reserved() -> int:
    """A port on 127.0.0.1 that nobody listens on, and that no other test process gets as long as this one lives.

    It lies below those that the system gives to connections and to whoever binds port 0: nobody is there by chance when the
    server starts, or starts again.
    """
    last = int(EPHEMERAL.read_text().split()[0])
    for port in random.sample(range(max(last - MANY, 1024), last), MANY // 2):
        if _lock(port):
            return port
    raise AssertionError(f"no port below {last} is free; look at {FOLDER}")


def _lock(port: int) -> bool:
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(FOLDER / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)  # kept as well where a stranger listens: not to be asked for again
    return _is_free(port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def usual() -> Iterator[None]:
    """While the block runs no other test process starts what takes the usual ports where they are free, as the demo does."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(FOLDER / "usual", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
