"""What a sandbox uses of this machine's memory, read from its own /proc: for machines without writable cgroups.

Only memory that is really used counts. A limit on address space would stop virtual machines such as the JVM and WebAssembly,
which reserve far more than they use.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from activities.sandbox.limits import MIB

PERIOD = 0.05
"""Seconds between two looks, at least. What is used in between, and given back, is not seen."""

LONGEST = 1.0
SHARE = 10
"""A pause is so many times as long as the look before it, up to `LONGEST` seconds: many processes take long to read."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def readable(first: int) -> Path | None:
    """The /proc of the sandbox whose first process this is; None where this machine does not let us look into it.

    It lists that sandbox's processes and no others, whoever their parents are.
    """
    root = Path("/proc", str(first), "root")
    try:
        root.readlink()
    except OSError:
        return None
    return root / "proc"


async def exceeded(inside: Path, limit: int) -> int:
    """Returns the bytes in use once they are more than the limit; waits for ever while they are not."""
    while True:
        began = time.monotonic()
        # Here and not in a thread: all threads may be busy, and this takes microseconds for each process.
        if _sum(inside, _resident) > limit:
            # Shared pages were counted for each process that sees them. To tell them apart takes long.
            used = await asyncio.to_thread(_sum, inside, _share)
            if used > limit:
                return used
        await asyncio.sleep(max(PERIOD, min(LONGEST, SHARE * (time.monotonic() - began))))


def said(used: int, limit: int) -> str:
    """Why a command was stopped, in words."""
    return f"its processes used {used // MIB:,} MiB of memory together, and the limit is {limit // MIB:,} MiB"


def _sum(inside: Path, of: Callable[[Path], int]) -> int:
    with suppress(OSError):
        # Until the sandbox has a root of its own this is the machine's /proc. That one knows us; the sandbox's does not.
        (inside / "self").readlink()
        return 0
    try:
        names = os.listdir(inside)
    except OSError:  # it has ended
        return 0
    return sum(of(inside / name) for name in names if name.isdigit())


def _resident(process: Path) -> int:
    """All that it has in memory."""
    try:
        return int((process / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):  # it has ended meanwhile
        return 0


def _share(process: Path) -> int:
    """What it has in memory, and of pages that it shares with others its part; all of it where the kernel keeps that back."""
    with suppress(OSError):
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(process)
