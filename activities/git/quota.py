"""The size of a mirror, and a limit on what a fetch may add to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from activities.git import command
from activities.git.errors import RepositoryTooLarge, RepositoryUnreachable
from contracts.errors import DiskUnavailable


def size_of(directory: Path) -> int:
    """Bytes of all files beneath. Files that disappear meanwhile do not count."""
    size = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size


@contextmanager
def room(directory: Path, limit: int, shown: str) -> Iterator[int]:
    """Bytes that the next fetch may write. Raises `RepositoryTooLarge` if none are left, or if they were not enough.

    What a fetch leaves on a full disk is removed: it would take the room that the next one needs.
    """
    before, left = _unfinished(directory), limit - size_of(directory)
    if left <= 0:
        raise _too_large(shown, limit)
    try:
        yield left
    except DiskUnavailable:
        for file in _unfinished(directory) - before:
            file.unlink()
        raise
    except RepositoryUnreachable as error:
        # Packs as large as the limit were cut off by it; any other failure has its own reason, which is raised.
        cut = [file for file in _unfinished(directory) - before if file.stat().st_size >= left]
        for file in cut:
            file.unlink()
        if cut:
            raise _too_large(shown, limit) from None
        if "Out of memory" in str(error):
            raise RepositoryTooLarge(
                f"{shown} needs more than {command.MEMORY >> 20} MiB of memory to be unpacked, which git does not get here; it "
                "may be made to exhaust machines"
            ) from None
        raise


def _unfinished(directory: Path) -> set[Path]:
    """Packs that are being received, or that a killed fetch has left."""
    return set((directory / "objects" / "pack").glob("tmp_*"))


def _too_large(shown: str, limit: int) -> RepositoryTooLarge:
    return RepositoryTooLarge(
        f"{shown} needs more than {limit >> 20} MiB on this machine, which is all that one repository gets; raise `mirror_mib` "
        "(BATON_MIRROR_MIB) for the worker, or work on a smaller repository"
    )
