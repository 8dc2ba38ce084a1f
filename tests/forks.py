"""A process that has imported the commands, and forks one in milliseconds: importing costs a second of a core each time.

`program()` is what to start instead of `baton`: the same code with the arguments, folder, environment and streams that it is
started with. The fork runs `starter.main()`; no thread, event loop or connection exists here that it would inherit. It is
not for tests of what comes before: the installed program, encodings that Python chooses at its start, limits, signals.
`program("worker")` is for `python worker.py` in the same way, and any other module of that form for itself: the fork calls
its `main` with the arguments. Each module has a warm process of its own.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import multiprocessing
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from tests import children

ROOT = Path(__file__).parent.parent
PR_SET_PDEATHSIG = 1
STARTER = "starter"
PID_FILE = "TESTS_PID_FILE"
"""The variable that names a file for the fork's process id: what is started is not the fork, but who waits for it."""
WARM = ("alembic.command", "genai_prices", "sqlalchemy.dialects.sqlite", "temporalio.client", "temporalio.worker")
"""What commands and workers load late beside their own modules."""


@functools.cache
def program(module: str = STARTER, root: Path = ROOT) -> tuple[str, ...]:
    """How to start the client; the first call for a module starts its warm process, which ends with this one.

    `root`: the repository whose code it is, as that is at the first call.
    """
    folder = Path(tempfile.mkdtemp(prefix="baton-forks-"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "TEMPORAL_"))}
    command = (sys.executable, "-m", "tests.forks", str(folder / "socket"), module)
    how = {"cwd": folder, "env": clean | {"PYTHONPATH": str(root)}, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    running = contextlib.ExitStack()
    warm = running.enter_context(children.started(*command, **how))
    atexit.register(_end, warm, running, folder, os.getpid())
    assert warm.stdout is not None
    assert warm.stdout.readline() == b"ready\n", "the warm process has not started"
    return (sys.executable, "-I", "-S", str(ROOT / "tests" / "forked.py"), str(folder / "socket"))


def script(place: Path, root: Path = ROOT) -> Path:
    """Make `place` a program that shells start as `baton`. What it starts in the background outlives it, as always.

    `root`: the repository whose code it is.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f'#!/bin/sh\nexec {" ".join(program(root=root))} "$@"\n')
    place.chmod(0o755)
    return place


def crowd() -> ForkServerContext:
    """Makes processes that run a function of a test, each a fork of one that has imported what such functions use."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ledger.migrate", "psycopg", "pytest", "tests.ledger.samples", "tests.postgres"])
    return context


def _end(warm: "subprocess.Popen[bytes]", running: contextlib.ExitStack, folder: Path, of: int) -> None:
    if os.getpid() == of:  # a fork that ends runs this as well
        warm.communicate()
        running.close()
        shutil.rmtree(folder, ignore_errors=True)


class Warm:
    """The warm process: a fork for each connection. Who is gone without having waited has its fork killed."""

    def __init__(self, listening: socket.socket, woken: int, module: str) -> None:
        self._listening, self._woken, self._module = listening, woken, module
        self._running: dict[int, socket.socket] = {}
        self._ready = selectors.DefaultSelector()
        for source in (0, listening, woken):
            self._ready.register(source, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the input ends; then all forks are killed."""
        while True:
            for key, _ in self._ready.select():
                if key.fd == 0:
                    self._kill(*self._running)
                    return
                if key.fileobj is self._listening:
                    self._accept()
                elif key.fd == self._woken:
                    os.read(self._woken, 4096)
                    self._reap()
                elif key.data in self._running:
                    self._ready.unregister(key.fileobj)
                    self._kill(key.data)

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        head, streams, _, _ = socket.recv_fds(connection, 4, 3)
        if not head:
            connection.close()
            return
        with connection.makefile("rb") as sent:
            asked = json.loads(sent.read(int.from_bytes(head, "big")))
        pid = os.fork()
        if pid == 0:
            _become(self._module, asked, streams)
        for stream in streams:
            os.close(stream)
        self._running[pid] = connection
        self._ready.register(connection, selectors.EVENT_READ, pid)
        _tell(connection, pid)

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._running.pop(pid)
            if connection in self._ready.get_map():
                self._ready.unregister(connection)
            _tell(connection, status)
            connection.close()

    def _kill(self, *pids: int) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def _tell(connection: socket.socket, number: int) -> None:
    try:
        connection.sendall(b"%d\n" % number)
    except BrokenPipeError:  # nobody waits any more: its fork is killed
        return


def _become(module: str, asked: dict[str, Any], streams: list[int]) -> None:
    """In the fork: the streams, signals, environment and folder of whoever asked, and then what the module does."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _take_streams(dict(zip(asked["streams"], streams, strict=True)))
        os.environ.clear()
        os.environ.update(asked["variables"])
        time.tzset()
        tempfile.tempdir = None
        os.chdir(asked["folder"])
        if note := os.environ.pop(PID_FILE, ""):
            Path(note).write_text(f"{os.getpid()}\n")
        sys.argv = ["baton" if module == STARTER else module, *asked["arguments"]]
        main = importlib.import_module(module).main
        main() if module == STARTER else main(asked["arguments"])
        sys.stdout.flush()
        os._exit(0)
    except BaseException:  # noqa: BLE001 (what `baton` itself does not catch)
        traceback.print_exc()
    finally:
        os._exit(70)


def _take_streams(given: dict[int, int]) -> None:
    """As Python makes them at its start; one that is missing was closed."""
    for number in (0, 1, 2):
        if number in given:
            os.dup2(given[number], number)
        else:
            os.close(number)
    os.closerange(3, 256)
    shown = 1 in given and os.isatty(1)
    sys.stdin = open(0, encoding="utf-8", closefd=False) if 0 in given else None  # noqa: SIM115 (stays open)
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1 if shown else -1, closefd=False) if 1 in given else None  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, errors="backslashreplace", closefd=False) if 2 in given else None  # noqa: SIM115


def _warm_up(module: str) -> None:
    """Import all that the module imports, now or late, once for all forks; of commands assemble the command line as well."""
    for name in (*WARM, module):
        importlib.import_module(name)
    if module == STARTER:
        import commands
        import starter

        for one in pkgutil.walk_packages(commands.__path__, "commands."):
            importlib.import_module(one.name)
        starter._command().list_commands(None)
    assert len(os.listdir("/proc/self/task")) == 1, "a fork would miss the threads that are here"
    gc.collect()
    gc.freeze()


def main() -> None:
    """Serve at the socket that is named, until the input ends."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)  # a terminal's Ctrl-C is for the tests, which end this
    place, module = [*sys.argv[1:], STARTER][:2]
    _warm_up(module)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        Warm(listening, woken, module).serve()


if __name__ == "__main__":
    main()
