"""A disk that cannot be written now (full, over its quota, failing): told apart from what waiting does not mend."""

import errno
import os
import re
import socket
from pathlib import Path

from contracts.errors import DiskUnavailable

CODES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})

_REASON = r"(?:No space left on device|Disk quota exceeded|Input/output error|Read-only file system)"
# Only at the end of a line, where a program puts the system's reason: a file may be called like one. Some lines of git's have
# no reason, and stand for a write that failed; a remote's own disk is not ours.
_GIT = re.compile(
    rb"^(?!remote:).*(?:: %b|Out of diskspace|(?:unable|failed) to write [^:\n]*|write error)\.?[ \t]*$" % _REASON.encode(),
    re.MULTILINE,
)
_INSTALLERS = re.compile(rb"\[Errno (?:5|28|30|122)\]|\b(?:ENOSPC|EDQUOT|EROFS)\b|: %b" % _REASON.encode())

LEAST = 64 * 1024
"""Bytes below which a disk counts as full: nothing that matters fits in."""


def unavailable(error: Exception) -> DiskUnavailable | None:
    """The outage of this machine's disk that an error means; None if it means something else."""
    if isinstance(error, DiskUnavailable):
        return error
    if isinstance(error, OSError) and error.errno in CODES:
        place = f" {error.filename}" if isinstance(error.filename, str) else ""
        return away(f"{error.strerror or 'it cannot be written'}{place}")
    return None


def refuse(error: OSError) -> None:
    """Raise `DiskUnavailable` if the error means that; else do nothing."""
    found = unavailable(error)
    if found is not None:
        raise found from None


def of_git(said: bytes) -> str:
    """What git, run with plain English words, says of the disk in its error output; "" for nothing."""
    return _first(_GIT, said)


def of_installer(said: bytes) -> str:
    """The same for pip and npm."""
    found = _INSTALLERS.search(said)
    if found is None:
        return ""
    begins = said.rfind(b"\n", 0, found.start()) + 1
    return _line(said[begins:].partition(b"\n")[0])


def is_full(folder: Path) -> bool:
    """True if nothing more can be written on the folder's disk: programs may then not even say so."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < LEAST


def away(why: str) -> DiskUnavailable:
    """The error, with the machine that it is on and what to do."""
    return DiskUnavailable(
        f"the disk of {socket.gethostname()} cannot be written: {why}; make room there, or mend it (`baton doctor` on "
        "that machine shows what is free)"
    )


def _first(pattern: re.Pattern[bytes], said: bytes) -> str:
    found = pattern.search(said)
    return "" if found is None else _line(found[0])


def _line(said: bytes) -> str:
    text = said.decode(errors="replace").strip()[:300].rstrip(".")
    return "".join(char if char.isprintable() else " " for char in text)
