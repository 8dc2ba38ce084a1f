"""Entries beneath a folder, whatever they hold: files and symbolic links, looked at, removed, renamed. No link is followed."""

import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Literal

from activities.files.paths import TEMPORARY, PathRefused, folder_of

Kind = Literal["file", "folder", "link"]


def kind_of(root: Path, relative: str) -> Kind | None:
    """What lies there; None for nothing. Raises `PathRefused` for a device, and for a link on the way."""
    try:
        with folder_of(root, relative) as (folder, name):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    kinds: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    kind = kinds.get(stat.S_IFMT(mode))
    if kind is None:
        raise PathRefused(relative, "it is a device, pipe or socket", "name a regular file")
    return kind


def remove(root: Path, relative: str) -> None:
    """Delete a file or a link. Raises `FileNotFoundError`, and `IsADirectoryError` for a folder."""
    kind = kind_of(root, relative)
    if kind is None:
        raise FileNotFoundError(errno.ENOENT, "no such file", relative)
    if kind == "folder":
        raise IsADirectoryError(errno.EISDIR, "is a folder", relative)
    with folder_of(root, relative) as (folder, name):
        os.unlink(name, dir_fd=folder)


def rename(root: Path, relative: str, to: str) -> None:
    """Move a file or a link to where nothing is. The new folder must exist (`make_parents`)."""
    with folder_of(root, relative) as (folder, name), folder_of(root, to) as (other, new):
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=other)


def link(root: Path, relative: str, target: str) -> None:
    """Make a symbolic link there in one step, in place of a link that may be there. The folder must exist."""
    with folder_of(root, relative) as (folder, name):
        temporary = TEMPORARY + secrets.token_hex(8)
        os.symlink(target, temporary, dir_fd=folder)
        try:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise
