"""The files that a service's log sources name, and their text: bounded, unpacked, printable, and never beside the place."""

import gzip
import os
import stat
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, cast

from activities.files import paths
from activities.files.paths import PathRefused
from activities.logfiles.records import records
from activities.logfiles.stamps import stamp_of
from contracts.globs import fits
from contracts.text import one_line, visible

FILE_KEPT = 16 * 1024 * 1024
"""Most bytes of one file that are kept: of a longer one its end."""

SERVICE_KEPT = 48 * 1024 * 1024
FILES = 60
"""Most files of one service."""

READ = 4 * 1024 * 1024 * 1024
"""Most bytes that are read of one file, unpacked: a small packed file can hold more than a disk."""

STRAY = 1000
"""Lines out of order that may come from other threads. After so many beyond the time asked for no more are expected."""

LINE = 32 * 1024
"""Most bytes of one line; what is longer is cut."""


class SourceRefused(Exception):
    """The source cannot be read; the text says why, and what would help."""


@dataclass(frozen=True)
class Place:
    """A folder, and a file beneath it by its path there."""

    root: Path
    path: str

    @property
    def name(self) -> str:
        """How the file is called in quotes."""
        return one_line(self.path, 300)


@dataclass(frozen=True)
class Text:
    """The lines of a file that were kept, the number of the first, and what is missing."""

    lines: tuple[str, ...]
    first: int
    note: str = ""


def placed(source: str) -> tuple[Place, ...]:
    """The files that an absolute path or glob names, sorted. Raises `SourceRefused` for one that names none."""
    parts = [part for part in source.split("/") if part]
    fixed = next((at for at, part in enumerate(parts) if "*" in part or "?" in part), len(parts) - 1)
    root, rest = Path("/", *parts[:fixed]), "/".join(parts[fixed:])
    if not parts:
        raise SourceRefused("it is the root of all files; name a log file, or a glob such as /var/log/shop/*.log")
    # The declared place itself may be reached by a link; nothing beneath it may lead out of it.
    root = root.resolve()
    if not root.is_dir():
        raise SourceRefused(f"{one_line(str(root), 300)} is no folder on the worker's machine; correct the path")
    if "*" not in rest and "?" not in rest:
        return (_real(root, rest),)
    return beneath(root, rest)


def beneath(root: Path, glob: str) -> tuple[Place, ...]:
    """The files beneath a folder that fit a glob, sorted; links that stay beneath it count, once."""
    try:
        listing = paths.walk(root)
    except (OSError, PathRefused) as error:
        raise SourceRefused(f"{one_line(str(root), 300)} cannot be read: {one_line(str(error), 300)}") from None
    found: dict[str, Place] = {}
    for entry in listing.entries:
        if entry.kind in ("file", "symlink") and fits(entry.path, glob):
            try:
                place = _real(root, entry.path)
            except (SourceRefused, OSError):
                continue
            found[place.path] = place
    if not found:
        raise SourceRefused(f"no file beneath {one_line(str(root), 300)} fits {one_line(glob, 200)}; correct the glob")
    return tuple(found[name] for name in sorted(found))


def _real(root: Path, path: str) -> Place:
    """The file itself, where a link stands for it. Raises `SourceRefused` for one that leads out, or is no file."""
    name = one_line(path, 300)
    try:
        whole = (root / path).resolve()
    except (OSError, RuntimeError):  # the second is what a loop of links raises
        raise SourceRefused(f"{name} is a link that leads nowhere; name the file itself") from None
    if not whole.is_relative_to(root):
        raise SourceRefused(f"{name} is a link that leads out of its folder; name the file itself")
    if not whole.exists():
        raise SourceRefused(f"there is no file {name} in {one_line(str(root), 300)}; correct the path")
    if not stat.S_ISREG(whole.stat().st_mode):
        raise SourceRefused(f"{name} is no file; name a log file, or a glob such as *.log")
    return Place(root, os.path.relpath(whole, root))


def text_of(place: Place, since: datetime | None, until: datetime | None, now: datetime, most: int = FILE_KEPT) -> Text:
    """The lines of a file within the times, or its end where they are too many. The file is read in pieces.

    A line without a time stamp belongs to the one before. Raises `SourceRefused` for what cannot be read.
    """
    try:
        descriptor = paths.open_beneath(place.root, place.path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, PathRefused) as error:
        raise SourceRefused(f"{place.name} cannot be read: {one_line(str(error), 300)}") from None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise SourceRefused(f"{place.name} is no file")
        packed = opened.read(2) == b"\x1f\x8b"
        opened.seek(0)
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=opened)) if packed else opened
        return kept(place.name, stream, since, until, now, most)


def kept(
    name: str, stream: IO[bytes], since: datetime | None, until: datetime | None, now: datetime, most: int = FILE_KEPT
) -> Text:
    """As `text_of`, of an open stream."""
    lines: deque[str] = deque()
    size, first, outside, note, within = 0, 0, 0, "", _window(since, until, now)
    try:
        for number, raw in enumerate(_lines(stream), 1):
            line = printable(raw)
            # What lies between two lines that are meant is kept, so that all keep their numbers.
            outside = 0 if within(line) else outside + 1
            if outside and (not lines or outside > STRAY):
                if lines:
                    break
                continue
            first = first or number
            lines.append(line)
            size += len(line) + 1
            while size > most:
                size -= len(lines.popleft()) + 1
                first += 1
                note = f"{name}: lines before {first} are not kept, there are more than {most >> 20} MiB"
    except (OSError, EOFError, zlib.error) as error:
        note = f"{name} is damaged or too large after line {first + len(lines) - 1}: {one_line(str(error), 200)}"
    for _ in range(min(outside, len(lines))):
        lines.pop()
    return Text(tuple(lines), first or 1, note)


def printable(raw: bytes) -> str:
    """A line as text: bytes that are no UTF-8 become U+FFFD, control and invisible characters their codes."""
    return visible(raw.rstrip(b"\r\n").decode(errors="replace"))


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    total = 0
    while line := stream.readline(LINE):
        total += len(line)
        whole = line
        # The rest of a line that is too long is read and dropped: it must not look like lines of its own.
        while not line.endswith(b"\n") and (line := stream.readline(LINE)):
            total += len(line)
        yield whole
        if total > READ:
            raise OSError(f"more than {READ >> 30} GiB")


def _window(since: datetime | None, until: datetime | None, now: datetime) -> Callable[[str], bool]:
    """Whether a line lies within the times; one without a time stamp does if the line before it does."""
    inside = since is None

    def within(line: str) -> bool:
        nonlocal inside
        if since is None and until is None:
            return True
        at = line_time(line, now)
        if at is not None:
            inside = (since is None or at >= since) and (until is None or at < until)
        return inside

    return within


def line_time(line: str, now: datetime) -> datetime | None:
    """The time of a line, also of a JSON line; None where it has none."""
    if line.startswith("{"):
        return next(iter(records((line,), now))).at
    found = stamp_of(line, now)
    return None if found is None else found.at
