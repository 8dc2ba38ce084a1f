"""Real worker processes for tests: started as a user starts them, and ended in every way."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from temporalio.client import Client

import config
from commands.server import ROOT
from tests import children, forks
from tests.children import PATIENCE


@dataclass
class Worker:
    """At most one worker at a time, with these settings; what it prints goes to `log`. Ended with the block.

    It is a fork of `tests/forks.py`. `within` is a program that becomes `python worker.py`, in surroundings of its own.
    """

    client: Client
    settings: config.Settings
    log: Path
    within: Sequence[str] = ()
    arguments: Sequence[str] = ()
    """Of `worker.py`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further ones of its environment."""
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _started: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def __enter__(self) -> "Worker":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._started:  # which kills what does not end by itself
            if self._process is not None:
                self._process.terminate()
                self._process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        if self.within:
            return self._process.pid
        children.until(lambda: self._note.exists() and self._note.read_text().endswith("\n"), f"{self.log} has a worker")
        return int(self._note.read_text())

    def start(self) -> None:
        """Start it; nothing waits until it is ready."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "TEMPORAL_"))}
        variables = kept | self._variables() | dict(self.variables)
        self._note.unlink(missing_ok=True)
        started = [*self.within, sys.executable, str(ROOT / "worker.py")] if self.within else forks.program("worker")
        variables |= {} if self.within else {forks.PID_FILE: str(self._note)}
        with self.log.open("ab") as log:
            command = [*started, *self.arguments]
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self._process = self._started.enter_context(children.started(*command, env=variables, **streams))

    def kill(self) -> None:
        """End it by force, as a machine that loses its power would."""
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def ended(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        assert self._process is not None
        self._process.wait(PATIENCE)
        code, self._process = self._process.returncode, None
        return int(code)

    async def died(self) -> None:
        """Wait until it has ended by itself, by a failpoint that the settings arm."""
        assert self._process is not None
        await asyncio.to_thread(self._process.wait, PATIENCE)
        assert self._process.returncode == -signal.SIGKILL, self.log.read_text(errors="replace")[-2000:]
        self._process = None

    @property
    def _note(self) -> Path:
        return self.log.with_name(f"{self.log.name}.pid")

    def _variables(self) -> dict[str, str]:
        set_here = self.settings.model_dump(exclude_unset=True)
        named = {f"BATON_{name.upper()}": _written(value) for name, value in set_here.items()}
        return named | {"TEMPORAL_ADDRESS": self.client.service_client.config.target_host, "BATON_LOG_FORMAT": "json"}


@contextlib.contextmanager
def file_size_limit(pid: int, limit: int) -> Iterator[None]:
    """Files of a running process cannot grow beyond `limit` bytes while the block runs: to it, its disk is full."""
    import resource

    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


Unwritable = Literal["full", "no files", "read-only"]

FILES = 100_000
"""Files and folders that fit onto the small disk."""


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own in this folder, for a worker that is started `within` it; it ends with the worker.

    It takes memory only for what is written. Full it is without a filler: it becomes as small as what lies on it.
    """

    folder: Path
    mib: int = 1024

    @property
    def within(self) -> tuple[str, ...]:
        """What to start the worker with."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mount = 'mount -t tmpfs -o "size=$1m,nr_inodes=$3" small "$2" && shift 3 && exec "$@"'
        return (
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            mount,
            "sh",
            str(self.mib),
            str(self.folder),
            str(FILES),
        )

    @contextlib.contextmanager
    def full(self, worker: Worker, how: Unwritable = "full") -> Iterator[None]:
        """Nothing can be written on it while the block runs; then it is as before.

        `full`: not a byte is left. `no files`: there are bytes, and no file can be made. `read-only`: as after an error.
        """
        seen = Path(f"/proc/{worker.pid}/root{self.folder}")
        assert (there := os.statvfs(seen)).f_blocks * there.f_frsize <= self.mib << 20, "this is not the small disk"

        def filled() -> bool:
            disk = os.statvfs(seen)
            used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize >> 10
            options = {"full": f"size={used}k", "no files": f"nr_inodes={disk.f_files - disk.f_ffree}", "read-only": "ro"}
            # What is larger meanwhile is refused; so is read-only while a file is open to be written.
            return self._remount(worker, options[how]) and _is_unwritable(os.statvfs(seen), how)

        children.until(filled, f"the disk was {how}")
        yield
        assert self._remount(worker, f"rw,size={self.mib}m,nr_inodes={FILES}")

    def _remount(self, worker: Worker, options: str) -> bool:
        inside = ("nsenter", f"--target={worker.pid}", "--user", "--preserve-credentials", "--mount")
        done = subprocess.run([*inside, "mount", "-o", f"remount,{options}", self.folder], capture_output=True, check=False)
        return done.returncode == 0


def _is_unwritable(disk: os.statvfs_result, how: Unwritable) -> bool:
    return {"full": disk.f_bavail == 0, "no files": disk.f_favail == 0, "read-only": bool(disk.f_flag & os.ST_RDONLY)}[how]


def _written(value: Any) -> str:
    """A setting as the environment holds it: tables as JSON."""
    return json.dumps(value, default=str) if isinstance(value, dict) else str(value)
