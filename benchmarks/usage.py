"""The resources a process has used, as the kernel counts them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What was used between two readings: wall time, and CPU seconds of worker and server."""

    wall: float
    worker: float
    server: float


class Meter:
    """`Meter(worker, server)` reads once when created; `load()` returns what was used since."""

    def __init__(self, worker: int, server: int) -> None:
        self._worker, self._server = worker, server
        self._start = (time.monotonic(), cpu_seconds(worker), cpu_seconds(server))

    def load(self) -> Load:
        """The resources used since the meter was created."""
        wall, worker, server = self._start
        return Load(time.monotonic() - wall, cpu_seconds(self._worker) - worker, cpu_seconds(self._server) - server)


def cpu_seconds(pid: int) -> float:
    """A process's user and system CPU time, all threads included, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """A process's resident memory in megabytes."""
    return _memory(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """A process's peak resident memory in megabytes."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024
