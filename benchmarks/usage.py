"""What a process has used so far, as the kernel counts it."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What happened between two looks: wall time, and CPU seconds of worker and server."""

    wall: float
    worker: float
    server: float


class Meter:
    """`Meter(worker, server)` looks once when it is made; `load()` says what has been used since."""

    def __init__(self, worker: int, server: int) -> None:
        self._worker, self._server = worker, server
        self._start = (time.monotonic(), cpu_seconds(worker), cpu_seconds(server))

    def load(self) -> Load:
        """What has been used since the meter was made."""
        wall, worker, server = self._start
        return Load(time.monotonic() - wall, cpu_seconds(self._worker) - worker, cpu_seconds(self._server) - server)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """The memory that a process has resident now, in megabytes."""
    return _memory(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """The most memory that a process has had resident, in megabytes."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, kind: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024
