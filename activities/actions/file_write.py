"""The adapter of `file.write`: one whole file beneath a declared folder, in one step, and through no link."""

import contextlib
import os
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from activities.actions.adapter import TargetRefused
from activities.actions.declared import Targets
from activities.files.paths import PathRefused, folder_of, make_parents, read_file, validate
from contracts.actions import Receipt
from contracts.base import sha256
from contracts.effects.file_write import FileWrite
from contracts.effects.targets import FolderTarget
from contracts.errors import BatonError, ContractViolation, Misconfigured, NotFound, Refused
from contracts.intents import Arguments

LARGEST = 64 * 1024 * 1024
"""Most bytes of a file that is there, when it is compared."""


class FileWriteAdapter:
    """Finds what was written by the digest of the file that is there."""

    permanent: tuple[type[BatonError], ...] = (TargetRefused, PathRefused, Refused, Misconfigured, ContractViolation, NotFound)

    def __init__(self, targets: Targets, read: Callable[[str], bytes]) -> None:
        """`read` returns the artifact with a digest."""
        self._targets = targets
        self._read = read

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """The whole path, and what becomes of a file that is there."""
        # Not whether the folder is there: the worker that writes may be on another machine.
        wanted = FileWrite.read(arguments)
        folder, path = self._targets.get(wanted.target, FolderTarget).path, validate(wanted.path)
        if wanted.artifact is not None:
            self._read(wanted.artifact)
        instead = f"in place of {wanted.replaces}" if wanted.replaces else "where no file is yet"
        return (f"to {folder / path}", instead, f"contents {wanted.digest}")

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """What stood there before, where its bytes are kept; None for a file that was new."""
        del receipt
        wanted = FileWrite.read(arguments)
        if wanted.replaces is None:
            return None
        try:
            self._read(wanted.replaces)
        except NotFound:
            return None
        return FileWrite(target=wanted.target, path=wanted.path, artifact=wanted.replaces, replaces=wanted.digest)

    def find(self, arguments: bytes) -> str | None:
        """The digest if the file is there and holds exactly these bytes."""
        wanted, folder = self._wanted(arguments)
        _swept(folder, wanted.path, _temporary(wanted))
        return wanted.digest if _digest(folder, wanted.path) == wanted.digest else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Write it; returns its digest. Raises `TargetRefused` if another file is there than was said."""
        del when
        wanted, folder = self._wanted(arguments)
        data = (wanted.text or "").encode() if wanted.artifact is None else self._read(wanted.artifact)
        path = validate(wanted.path)
        there = _digest(folder, path)
        if there != wanted.replaces:
            stands = f"a file with digest {there} is there" if there else "no file is there"
            meant = (
                f"the one with digest {wanted.replaces} was to be replaced" if wanted.replaces else "none was to be replaced"
            )
            raise TargetRefused(f"{path}: {stands}, and {meant}; nothing was written")
        make_parents(folder, path)
        _put(folder, path, data, _temporary(wanted), new=wanted.replaces is None)
        return wanted.digest

    def _wanted(self, arguments: bytes) -> tuple[FileWrite, Path]:
        wanted = FileWrite.read(arguments)
        folder = self._targets.get(wanted.target, FolderTarget).path
        if not folder.is_dir():
            raise Misconfigured(f"{folder}, which [targets.{wanted.target}] names, is no folder on this machine")
        return wanted, folder.resolve()


def _temporary(wanted: FileWrite) -> str:
    # The same for every attempt, so that the next one knows what a killed one has left.
    return f".baton-{wanted.key()[:32]}"


def _digest(folder: Path, path: str) -> str | None:
    """Of the file that is there; None where there is none."""
    try:
        return sha256(read_file(folder, path, LARGEST))
    except FileNotFoundError:
        return None
    except (IsADirectoryError, NotADirectoryError):
        raise TargetRefused(f"{path} is a folder, or lies in something that is none") from None


def _put(folder: Path, path: str, data: bytes, temporary: str, *, new: bool) -> None:
    """Give the bytes their name in one step. A file that appeared meanwhile stays, where none was to be replaced."""
    with folder_of(folder, path) as (parent, name):
        mode = 0o644 if new else stat.S_IMODE(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _linked(parent, temporary, name, path)
        else:
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        # Opened once more: the first may be good for looking up names and nothing else.
        beside = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fsync(beside)
        finally:
            os.close(beside)


def _linked(parent: int, temporary: str, name: str, path: str) -> None:
    try:
        os.link(temporary, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        raise TargetRefused(f"{path}: a file appeared there meanwhile; nothing was written") from None
    finally:
        os.unlink(temporary, dir_fd=parent)


def _swept(folder: Path, path: str, temporary: str) -> None:
    """Remove what an attempt that was killed has left: its half-written file, or the second name of a whole one."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), folder_of(folder, path) as (parent, _):
        os.unlink(temporary, dir_fd=parent)
