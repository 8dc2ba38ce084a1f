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
from activities.running.failpoints import reach
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
        _as_said(folder, path, wanted)
        make_parents(folder, path)
        _put(folder, path, data, wanted)
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


def _as_said(folder: Path, path: str, wanted: FileWrite) -> None:
    """Raise `TargetRefused` unless what is there is what the action is to replace: that file, or none."""
    there = _digest(folder, path)
    if there == wanted.replaces:
        return
    stands = f"a file with digest {there} is there" if there else "no file is there"
    meant = f"the one with digest {wanted.replaces} was to be replaced" if wanted.replaces else "none was to be replaced"
    raise TargetRefused(f"{path}: {stands}, and {meant}; nothing was written")


def _put(folder: Path, path: str, data: bytes, wanted: FileWrite) -> None:
    """Give the bytes their name in one step. A file that appeared or changed meanwhile stays."""
    temporary = _temporary(wanted)
    with folder_of(folder, path) as (parent, name):
        before = None if wanted.replaces is None else os.stat(name, dir_fd=parent, follow_symlinks=False)
        try:
            _whole(parent, temporary, data, before, path)
            reach("file.before_rename")
            if before is None:
                _linked(parent, temporary, name, path)
            else:
                _as_said(folder, path, wanted)
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except TargetRefused:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)
            raise
        # Opened once more: the first may be good for looking up names and nothing else.
        beside = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fsync(beside)
        finally:
            os.close(beside)


def _whole(parent: int, temporary: str, data: bytes, before: os.stat_result | None, path: str) -> None:
    """Write the bytes under their temporary name, with owner, group and mode of the file that they replace."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        ours = os.fstat(file.fileno())
        if before is not None and (before.st_uid, before.st_gid) != (ours.st_uid, ours.st_gid):
            try:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            except PermissionError:
                whose = f"{path} belongs to another user or group than this worker's"
                raise TargetRefused(f"{whose}, which would lose it; nothing was written") from None
        os.fchmod(file.fileno(), 0o644 if before is None else stat.S_IMODE(before.st_mode))
        file.flush()
        os.fsync(file.fileno())


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
