"""How much room a mirror takes, and a fetch that takes no more than it may."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from activities.git import command
from activities.git.errors import RepositoryTooLarge, RepositoryUnreachable


def size_of(directory: Path) -> int:
    """Bytes of all files beneath. What goes away meanwhile does not count."""
    size = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size


@contextmanager
def room(directory: Path, limit: int, shown: str) -> Iterator[int]:
    """The size that the next fetch may have. Raises `RepositoryTooLarge` when there is none, or when it was not enough."""
    before, left = _unfinished(directory), limit - size_of(directory)
    if left <= 0:
        raise _too_large(shown, limit)
    try:
        yield left
    except RepositoryUnreachable as error:
        # Packs that stand at the limit were cut by it; whatever else failed has its own reason, which is raised.
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
    """Packs that are being received, or that a killed fetch left."""
    return set((directory / "objects" / "pack").glob("tmp_*"))


def _too_large(shown: str, limit: int) -> RepositoryTooLarge:
    return RepositoryTooLarge(
        f"{shown} needs more than {limit >> 20} MiB on this machine, which is all that one repository gets; raise `mirror_mib` "
        "(BATON_MIRROR_MIB) for the worker, or work on a smaller repository"
    )
