"""Databases that go away and come back, in the ways that databases do."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests import postgres
from tests.children import PATIENCE

SAFE = postgres.OPTIONS | {"synchronous_commit": "on"}
"""What was committed is with the system when it is said to be: killing the server's processes must not lose it."""


@dataclass
class Mortal:
    """A PostgreSQL server of one test's own, which can be ended in two ways and started again."""

    _place: Any
    _run: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _server: postgres.Postgres | None = None
    name: str = "test_0"

    def start(self) -> None:
        """Start it, on what it left."""
        self._server = self._run.enter_context(postgres.started(*self._place, SAFE))

    @property
    def server(self) -> postgres.Postgres:
        """The server while it runs."""
        assert self._server is not None
        return self._server

    def end(self, how: Literal["killed", "immediate"]) -> None:
        """`killed`: SIGKILL of the server and all that it had started. `immediate`: as `pg_ctl stop -m immediate`."""
        pids = [self.server.pid, *children(self.server.pid)]
        for pid in pids if how == "killed" else pids[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGQUIT)
        self._run.close()
        self._server = None
        for pid in pids:
            until_gone(pid)

    @contextlib.contextmanager
    def away(self, how: Literal["killed", "immediate"]) -> Iterator[None]:
        """It is away while the block runs."""
        self.end(how)
        yield
        self.start()


@contextlib.contextmanager
def mortal() -> Iterator[Mortal]:
    """A server with one empty database."""
    with postgres.place() as place:
        made = Mortal(place)
        made.start()
        made.name = made.server.create()
        try:
            yield made
        finally:
            if made._server is not None:
                made.end("immediate")


def children(pid: int) -> list[int]:
    """The processes that this one has started, as Linux knows them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # one that ends while we look
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def until_gone(pid: int) -> None:
    """Wait until a process has ended; one that nobody has collected yet counts."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        assert time.monotonic() < ends, f"process {pid} does not end"
        time.sleep(0.01)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else writes to an SQLite file and does not come to an end."""
    connection = sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()
