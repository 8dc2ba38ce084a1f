"""Opens files beneath one folder and nowhere else: no `..`, no symbolic link, no `.git`, even if others change it meanwhile.

Every name comes from a model or from a hostile repository. Checking a path first and opening it afterwards is a race; here
the kernel does both in one step (`openat2`), or, if it cannot, each folder is opened from the one before it.
"""

import errno
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from activities.files.beneath import PATH_ONLY, PathRefused, open_at

__all__ = [
    "Entry",
    "Listing",
    "PathRefused",
    "folder_of",
    "is_git_folder",
    "make_parents",
    "open_beneath",
    "read_file",
    "remove_file",
    "validate",
    "walk",
    "write_file",
]

PATH_BYTES = 1024
"""Most bytes of a relative path. Longer ones are mistakes or attacks, and some file systems cannot hold them."""

READ_LIMIT = 16 * 1024 * 1024
"""Most bytes that `read_file` returns unless the caller names a limit."""

WALK_LIMIT = 100_000
"""Most entries that `walk` lists unless the caller names a limit."""

TEMPORARY = ".baton-write-"
"""Prefix of a file's temporary name while it is being written."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

EntryKind = Literal["file", "directory", "symlink", "other", "unreadable"]


@dataclass(frozen=True)
class Entry:
    """One thing that `walk` found. `size` is in bytes and 0 for anything but a file."""

    path: str
    kind: EntryKind
    size: int = 0


@dataclass(frozen=True)
class Listing:
    """What `walk` found. `truncated` means that there is more than the limit."""

    entries: tuple[Entry, ...]
    truncated: bool


def validate(relative: str) -> str:
    """The path without `./` and doubled slashes. Raises `PathRefused` for anything that could lead elsewhere."""
    if not relative or relative.startswith("/"):
        raise PathRefused(relative, "it is absolute" if relative else "it is empty")
    if "\\" in relative:
        raise PathRefused(relative, "it holds a backslash", "separate folders with /")
    if any(unicodedata.category(character) in _HIDDEN for character in relative):
        raise PathRefused(relative, "it holds control or invisible characters", "use visible characters only")
    if len(relative.encode()) > PATH_BYTES:
        raise PathRefused(relative, f"it is longer than {PATH_BYTES} bytes", "use a shorter path")
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    for part in parts:
        _check_part(relative, part)
    if not parts:
        raise PathRefused(relative, "it names no file")
    return "/".join(parts)


def is_git_folder(name: str) -> bool:
    """True if some file system would take this name for `.git`: any case, trailing dots and spaces, invisible letters."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) not in _HIDDEN)
    plain = visible.split(":")[0].rstrip(". ").casefold()
    return plain in (".git", "git~1")


def open_beneath(root: Path, relative: str, flags: int, mode: int = 0o644) -> int:
    """Open a file or folder beneath `root` and return its descriptor, which the caller closes.

    Links are never followed, on the way or at the end. Raises `PathRefused` for a path that is not allowed, a link or a
    device, and the ordinary `OSError` (`FileNotFoundError`, `IsADirectoryError`, ...) for everything else.
    """
    path = validate(relative)
    with _folder(root) as top:
        # Without O_NONBLOCK, opening a pipe waits for a writer; with O_PATH the kernel does not take the flag.
        descriptor = open_at(top, path, flags if flags & PATH_ONLY else flags | os.O_NONBLOCK, mode)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        return descriptor
    os.close(descriptor)
    raise PathRefused(relative, "it is a device, pipe or socket", "name a regular file")


def read_file(root: Path, relative: str, limit: int = READ_LIMIT) -> bytes:
    """The bytes of a regular file. Raises `PathRefused` if it is longer than `limit` or has a second name (hard link)."""
    with os.fdopen(open_beneath(root, relative, os.O_RDONLY), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder", relative)
        # The other name may lie outside: no lookup beneath the folder could tell.
        if found.st_nlink > 1:
            raise PathRefused(relative, "the file has a second name (hard link) that may lie outside", "copy it first")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise PathRefused(relative, f"the file is larger than {limit} bytes", "read a smaller file")
    return data


def write_file(root: Path, relative: str, data: bytes, mode: int | None = None) -> None:
    """Write these bytes under that name in one step: a reader sees the old file or the new one, never a part.

    The folder must exist (`make_parents`). An existing file keeps its mode unless `mode` is given; a new one gets 0644.
    """
    with folder_of(root, relative) as (folder, name):
        before = _regular_or_none(folder, name, relative)
        kept = stat.S_IMODE(before.st_mode) if before else 0o644
        # Beside its target: a rename is atomic only within one file system.
        temporary = TEMPORARY + secrets.token_hex(8)
        try:
            _write_new(folder, temporary, data, kept if mode is None else mode)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            _unlink_quietly(folder, temporary)
            raise


def remove_file(root: Path, relative: str) -> None:
    """Delete one regular file. Raises `FileNotFoundError` if there is none, `PathRefused` for a link."""
    with folder_of(root, relative) as (folder, name):
        if _regular_or_none(folder, name, relative) is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", relative)
        os.unlink(name, dir_fd=folder)


def make_parents(root: Path, relative: str) -> None:
    """Create the missing folders above this file. Safe to call twice."""
    parts = validate(relative).split("/")[:-1]
    with _folder(root) as top:
        folder = os.dup(top)
        try:
            for part in parts:
                _make_folder(folder, part)
                deeper = open_at(folder, part, PATH_ONLY | os.O_DIRECTORY, 0)
                os.close(folder)
                folder = deeper
        finally:
            os.close(folder)


def walk(root: Path, relative: str = "", limit: int = WALK_LIMIT) -> Listing:
    """Everything beneath the folder, sorted, links named but not followed. Leaves nothing out without saying so.

    Paths are relative to `root`. What cannot be opened is listed as `unreadable`. Raises `PathRefused` or `OSError` when
    the folder itself cannot be read.
    """
    start = validate(relative) if relative else ""
    found: list[Entry] = []
    with _folder(root) as top:
        waiting = [Entry(start, "directory")]
        while waiting:
            entry = waiting.pop()
            if entry.path != start:
                if len(found) == limit:
                    return Listing(tuple(found), truncated=True)
                found.append(entry)
            if entry.kind == "directory":
                children = _children(top, entry.path, limit, required=entry.path == start)
                if children is None:
                    found[-1] = Entry(entry.path, "unreadable")
                else:
                    waiting.extend(reversed(children))
    return Listing(tuple(found), truncated=False)


def _check_part(relative: str, part: str) -> None:
    if part == "..":
        raise PathRefused(relative, "it leads upwards (..)")
    if len(part.encode()) > 255:
        raise PathRefused(relative, "one name in it is longer than 255 bytes", "use a shorter name")
    if is_git_folder(part):
        raise PathRefused(relative, "it lies in a .git folder", "git's own files are not part of a workspace")


@contextmanager
def _folder(root: Path) -> Iterator[int]:
    descriptor = os.open(root, PATH_ONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def folder_of(root: Path, relative: str) -> Iterator[tuple[int, str]]:
    """The open folder that holds this entry, and the entry's name in it. Links are not followed on the way."""
    parent, _, name = validate(relative).rpartition("/")
    with _folder(root) as top, _opened(top, parent) as folder:
        yield folder, name


@contextmanager
def _opened(top: int, path: str) -> Iterator[int]:
    descriptor = open_at(top, path, os.O_RDONLY | os.O_DIRECTORY, 0) if path else os.dup(top)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _children(top: int, path: str, room: int, *, required: bool) -> list[Entry] | None:
    """The folder's entries in order; None if it cannot be read. The caller cuts what does not fit into the listing."""
    try:
        folder = open_at(top, path or ".", os.O_RDONLY | os.O_DIRECTORY, 0)
    except (OSError, PathRefused):
        if required:
            raise
        return None
    try:
        names = sorted(os.listdir(folder))[: room + 1]
        return [_entry(folder, name, f"{path}/{name}" if path else name) for name in names]
    finally:
        os.close(folder)


def _entry(folder: int, name: str, path: str) -> Entry:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return Entry(path, "unreadable")
    kinds: dict[int, EntryKind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
    kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
    return Entry(path, kind, found.st_size if kind == "file" else 0)


def _regular_or_none(folder: int, name: str, relative: str) -> os.stat_result | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", relative)
    if not stat.S_ISREG(found.st_mode):
        raise PathRefused(relative, "it is a link or a device", "name a regular file")
    return found


def _write_new(folder: int, name: str, data: bytes, mode: int) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        # At the end: until it is complete only we can read it. By `fchmod`, because the umask cuts the mode of `open`.
        os.fchmod(file.fileno(), mode & 0o777)


def _make_folder(folder: int, name: str) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        return


def _unlink_quietly(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
