"""A patch of git's as people are shown it, on a terminal and as JSON alike: cut at line feeds only, nothing hidden."""

import re
import zlib
from base64 import b85decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from contracts.exact import exact, unseen
from contracts.text import amount

LINE = 2000
"""Bytes of one line that are shown."""

WHOLE = 1_000_000
"""Characters of one diff that are shown."""

NOTE = "\\ "
"""How a line of ours begins, as git's own about a missing newline does: no line of a file can, they have +, - or a space."""

_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NAME = re.compile(rb'^diff --git .* "?b/(.*?)"?$', re.DOTALL)
_BLOCK = re.compile(rb"^(literal|delta) (\d+)$")
_BASE85_LENGTHS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Kind = Literal["about", "kept", "added", "removed", "binary"]


@dataclass(frozen=True)
class Line:
    """One line of a patch. `path` is the new file's, as git writes it; `number` the line in it that an added line becomes.

    `was` is the number in the old file of a line that is removed.
    """

    kind: Kind
    raw: bytes
    path: bytes = b""
    number: int = 0
    was: int = 0


@dataclass(frozen=True)
class Unseen:
    """An added line with characters that a reader would not see: their codes."""

    path: str
    number: int
    codes: tuple[str, ...]


def rendered(patch: bytes, limit: int = WHOLE) -> str:
    """The patch as text of at most about `limit` characters. Every line but notes, which begin with `\\ `, can be read back.

    A binary part, the rest of a line of more than `LINE` bytes and whatever is beyond the limit are not shown; a note in
    their place says so, with the size. "" for an empty patch.
    """
    return "".join(f"{text}\n" for text, _ in shown_lines(patch, limit))


def shown_lines(patch: bytes, limit: int = WHOLE) -> Iterator[tuple[str, Line]]:
    """The lines of `rendered`, each with the line of the patch that it shows, or that it is a note about."""
    size = read = 0
    for line in lines_of(patch):
        texts = list(_shown(line))
        size += sum(len(one) + 1 for one in texts)
        if size > limit:
            yield _rest(patch[read:], line.path), Line("about", b"")
            return
        yield from ((text, line) for text in texts)
        read += len(line.raw) + 1


def added_unseen(patch: bytes) -> list[Unseen]:
    """Where the patch adds characters that a reader would not see. A carriage return at the end of a line is a line end."""
    found = ((line, unseen(line.raw[1:])) for line in lines_of(patch) if line.kind == "added")
    return [Unseen(exact(line.path), line.number, codes) for line, codes in found if codes]


def long_lines(patch: bytes) -> list[str]:
    """The files, once each, of which the patch adds or removes lines that are not shown whole."""
    changed = (line for line in lines_of(patch) if line.kind in ("added", "removed") and len(line.raw) > LINE)
    return list(dict.fromkeys(exact(line.path) for line in changed))


def lines_of(patch: bytes) -> Iterator[Line]:
    """The patch's lines, cut at line feeds. All of a binary part is one line. Joined by line feeds they are the patch."""
    rest = patch.removesuffix(b"\n").split(b"\n") if patch else []
    path, old, new, number, was, at = b"", 0, 0, 0, 0, 0
    while at < len(rest):
        raw = rest[at]
        mark, at = raw[:1], at + 1
        if old > 0 or new > 0:
            # By the hunk's counts: a removed line `-- a/x` looks like the head of a file.
            if mark == b"\\":
                yield Line("about", raw, path)
                continue
            old, new = old - (mark != b"+"), new - (mark != b"-")
            kind: Kind = "added" if mark == b"+" else "removed" if mark == b"-" else "kept"
            yield Line(kind, raw, path, number, was)
            number, was = number + (mark != b"-"), was + (mark != b"+")
            continue
        if hunk := _HUNK.match(raw):
            old, new, was, number = int(hunk[2] or 1), int(hunk[4] or 1), int(hunk[1]), int(hunk[3])
        elif raw.startswith(b"diff --git "):
            # Only a guess for a name with ` b/` in it; a line `+++ b/` that follows corrects it.
            path = _NAME.sub(rb"\1", raw)
        elif raw.startswith(b"+++ b/"):
            # git puts a tab after a name with spaces in it here, so that `patch` sees where it ends.
            path = raw.removeprefix(b"+++ b/").removesuffix(b"\t")
        elif raw == b"GIT binary patch":
            begun = at - 1
            at = _binary_end(rest, at)
            yield Line("binary", b"\n".join(rest[begun:at]), path)
            continue
        yield Line("about", raw, path)


def _shown(line: Line) -> Iterator[str]:
    if line.kind == "binary":
        was, now = _sizes(line.raw)
        if was is None or now is None:
            sizes = amount(len(line.raw), "byte")
        else:
            sizes = f"{amount(was, 'byte')} before, {amount(now, 'byte')} after"
        yield f"{NOTE}binary, not shown: {sizes}"
    elif len(line.raw) <= LINE or line.kind == "about":
        yield exact(line.raw)
    else:
        cut = LINE
        while line.raw[cut] & 0xC0 == 0x80 and cut > LINE - 4:  # in the middle of a character
            cut -= 1
        yield exact(line.raw[:cut])
        yield f"{NOTE}the rest of this line is not shown: {amount(len(line.raw) - cut, 'byte')} of {len(line.raw) - 1}"


def _rest(rest: bytes, path: bytes) -> str:
    more = rest.count(b"\ndiff --git ")
    files = f" and {amount(more, 'more file')}" if more else ""
    return f"{NOTE}the rest is not shown: {amount(len(rest), 'byte')}, in {exact(path)}{files}"


def _binary_end(lines: list[bytes], at: int) -> int:
    """Where a binary part ends: after its two blocks, each of which ends with an empty line."""
    for _ in range(2):
        if at < len(lines) and _BLOCK.match(lines[at]):
            while at < len(lines) and lines[at]:
                at += 1
            at += 1
    return min(at, len(lines))


def _sizes(part: bytes) -> tuple[int | None, int | None]:
    """Bytes of the file before and after a binary part; None where it does not say."""
    was = now = None
    blocks = [block.split(b"\n") for block in part.partition(b"\n")[2].split(b"\n\n")]
    for index, (first, *data) in enumerate(blocks[:2]):
        block = _BLOCK.match(first)
        if block is None:
            continue
        if block[1] == b"literal":
            sizes: tuple[int | None, int | None] = (None, int(block[2]))
        else:
            sizes = _delta_sizes(data[0] if data else b"")
        source, target = sizes
        # The second block leads back: from what is there after to what was there before.
        was, now = (source, target) if index == 0 else (target if was is None else was, source if now is None else now)
    return was, now


def _delta_sizes(line: bytes) -> tuple[int | None, int | None]:
    """What git's delta says at its beginning: the size of what it starts from, and of what it makes."""
    with suppress(ValueError, zlib.error, IndexError):
        length = _BASE85_LENGTHS.index(chr(line[0])) + 1
        # 24 bytes hold both numbers; without a limit a small patch could unpack to gigabytes.
        begun = iter(zlib.decompressobj().decompress(b85decode(line[1:])[:length], 24))
        return _number(begun), _number(begun)
    return None, None


def _number(data: Iterator[int]) -> int:
    """Seven bits in each byte, the lowest first."""
    value = shift = 0
    for byte in data:
        value, shift = value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value
    raise IndexError("the delta ends within a number")
