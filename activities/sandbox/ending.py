"""Follows a command to its end: collects its output, watches what it uses, and leaves no process of it behind."""

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from activities.running.cancelled import to_its_end
from activities.sandbox import memory
from activities.sandbox.launch import Launched
from activities.sandbox.limits import MIB, ResourceLimits
from contracts.text import amount

_HALF_SECOND = 0.5


@dataclass(frozen=True)
class Ended:
    """How a command ended. `code` None: it was stopped, or never started.

    `stopped` says why it was, or what of it the kernel ended; `timed_out`: its time was over.
    """

    code: int | None
    stopped: str = ""
    timed_out: bool = False


class BoundedOutput:
    """The first and last part of an output, with never more than the limit in memory."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        self._total += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > self._half:
            del self._tail[: len(self._tail) - self._half]

    @property
    def truncated(self) -> bool:
        """True if something was left out."""
        return self._total > len(self._head) + len(self._tail)

    def output(self) -> bytes:
        """What was kept, with a line that says how much is missing."""
        missing = self._total - len(self._head) - len(self._tail)
        gap = f"\n[... {amount(missing, 'byte')} left out ...]\n".encode() if missing else b""
        return bytes(self._head) + gap + bytes(self._tail)


async def finish(
    launched: Launched, kept: BoundedOutput, directory: Path | None, limit: timedelta, limits: ResourceLimits
) -> Ended:
    """Collect output until the end, or until a limit is reached; then kill what is left.

    `directory` is the folder whose disk the command may fill; None: it can write to none.
    """
    collecting = asyncio.create_task(_collect(launched, kept))
    watching = [asyncio.create_task(_disk_full(directory, limits)), asyncio.create_task(_too_much(launched, limits))]
    try:
        done, _ = await asyncio.wait(
            {collecting, *watching}, timeout=limit.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for one in watching:
            one.cancel()
        # To its end, even if the caller is cancelled: no process of the command may be left when this returns.
        killed, code = await to_its_end(_end(launched, collecting))
    if collecting in done:
        return Ended(code, _KILLED.format(limits.memory // MIB) if killed else "")
    return next((Ended(None, one.result()) for one in watching if one in done), Ended(None, "it did not end in time", True))


_KILLED = "the kernel ended a process of it, because all together used more memory than the limit of {:,} MiB"
FULL = "it filled the disk: less free space, or fewer free inodes, are left than the limit reserves for this machine"


async def _end(launched: Launched, collecting: "asyncio.Task[None]") -> tuple[bool, int | None]:
    # First: the output ends only when no process holds the pipe any more.
    launched.kill()
    await collecting
    killed = launched.group.out_of_memory()  # before the group is deleted with what it counted
    return killed, await launched.reap()


async def _collect(launched: Launched, kept: BoundedOutput) -> None:
    stream = launched.process.stdout
    assert stream is not None, "started with a pipe"
    while data := await stream.read(1 << 16):
        kept.add(data)


async def _disk_full(directory: Path | None, limits: ResourceLimits) -> str:
    """Returns why it has to be stopped once the disk below a writable folder has less room than the limit reserves."""
    while directory is not None:
        if crowded(directory, limits):
            return FULL
        await asyncio.sleep(_HALF_SECOND)
    return await _never()


def crowded(directory: Path, limits: ResourceLimits) -> bool:
    """True if the folder's disk has less room than the limit reserves."""
    disk = os.statvfs(directory)
    no_files = disk.f_files > 0 and disk.f_favail < limits.files_left  # some file systems do not count inodes
    return no_files or disk.f_bavail * disk.f_frsize < limits.disk_left


async def _too_much(launched: Launched, limits: ResourceLimits) -> str:
    """Returns why it has to be stopped once it uses more memory than it may, where that is for us to watch."""
    if launched.watched is None:
        return await _never()
    return memory.said(await memory.exceeded(launched.watched, limits.memory), limits.memory)


async def _never() -> str:
    # Nothing to watch: this never stops the command and is only cancelled with it.
    await asyncio.Event().wait()
    return ""
