"""The file of a load: opened below its declared folder, and turned into UTF-8 lines where it is something else.

What is loaded is always the bytes of one file, or of a copy of ours that can be made from it again.
"""

import codecs
import csv
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from activities.files.paths import PathRefused, open_beneath
from activities.loads.parquet import as_json_lines
from activities.resources import Resources
from contracts.base import sha256
from contracts.errors import BatonError
from contracts.step_resources import Folder
from contracts.tables import Format, Source

SAMPLE = 256 * 1024
"""Bytes from which encoding and delimiter are seen."""

BLOCK = 1024 * 1024

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DELIMITERS = (",", ";", "\t", "|")
_ENDS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_LINES = ("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "cp1250", "cp1251", "iso8859-2", "cp437", "cp850")
"""Encodings in which a line end is one byte that is nothing else; files in others are copied as UTF-8."""


class FileUnusable(BatonError):
    """The file cannot be read as what it is said to be. The text says why, and what to do."""


class FileChanged(BatonError):
    """The file is another than the one that was approved. Nothing of it was loaded from here on; start a new load for it."""


@dataclass(frozen=True)
class Sources:
    """Opens sources. `folder` is where copies are kept, `read` gives the bytes of an artifact."""

    resources: Resources
    folder: Path
    read: Callable[[str], bytes]

    @contextmanager
    def opened(self, folder: str, file: str) -> Iterator[BinaryIO]:
        """The file as it lies there. Raises `FileUnusable`."""
        root = self.resources.folder(Folder(name=folder))
        try:
            with os.fdopen(open_beneath(root, file, os.O_RDONLY), "rb") as opened:
                found = os.fstat(opened.fileno())
                if found.st_nlink > 1:
                    raise PathRefused(file, "the file has a second name (hard link) that may lie outside", "copy it first")
                yield opened
        except FileNotFoundError:
            raise FileUnusable(f"there is no file {file} below the folder {folder}") from None
        except IsADirectoryError:
            raise FileUnusable(f"{file} in the folder {folder} is a folder; name one file") from None
        except PermissionError:
            raise FileUnusable(f"{file} in the folder {folder} may not be read by the worker") from None

    @contextmanager
    def lines(self, source: Source) -> Iterator[BinaryIO]:
        """The bytes that batches point into. A copy that is missing here is made again; its file must not have changed."""
        if source.artifact:
            path = self._artifact(source.artifact)
        elif is_copied(source):
            path = self._copy(source)
        else:
            with self.opened(source.folder, source.file) as file:
                yield file
            return
        with path.open("rb") as file:
            yield file

    def _artifact(self, digest: str) -> Path:
        path = self.folder / digest
        if not path.exists():
            _written(path, iter([self.read(digest)]))
        return path

    def _copy(self, source: Source) -> Path:
        path = self.folder / sha256(f"{source.digest}/{source.format}/{source.encoding}".encode())
        if path.exists():
            return path
        with self.opened(source.folder, source.file) as file:
            if digest_of(file) != source.digest:
                raise FileChanged(f"{source.file} has changed since it was examined; start a new load for what it holds now")
            if source.format == "parquet":
                as_json_lines(file, path)
            else:
                _written(path, _as_utf8(file, source.encoding))
        return path


def is_copied(source: Source) -> bool:
    """True if its rows are read from a copy in UTF-8."""
    return source.format == "parquet" or source.encoding.endswith("+copy")


def reads_as(source: Source) -> str:
    """The encoding of the bytes that batches point into."""
    return "utf-8" if is_copied(source) else source.encoding


def digest_of(file: BinaryIO) -> str:
    """SHA-256 of the whole file."""
    file.seek(0)
    hashed = hashlib.sha256()
    while block := file.read(BLOCK):
        hashed.update(block)
    file.seek(0)
    return hashed.hexdigest()


def format_of(file: str, said: Format | None) -> Format:
    """What was said, or what the end of the name says. Raises `FileUnusable`."""
    found = said or _ENDS.get(Path(file).suffix.lower())
    if found is None:
        raise FileUnusable(f"the name {file} does not say what it holds; give format: csv, jsonl or parquet")
    return found


def encoding_of(file: BinaryIO, said: str | None) -> str:
    """The encoding; `+copy` at its end if rows are read from a copy. Raises `FileUnusable` where it cannot be known."""
    file.seek(0)
    head = file.read(SAMPLE)
    named = _named(said) if said else None
    by_mark = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    if named and by_mark and named.split("-")[:2] != by_mark.split("-")[:2]:
        raise FileUnusable(
            f"the file begins with the mark of {by_mark}, and {said} was said; leave the encoding out, or correct it"
        )
    found = by_mark or named or "utf-8"
    if not named and not by_mark:
        _sure(file)
    _no_nul(head, found)
    only_returns = b"\r" in head and b"\n" not in head
    return f"{found}+copy" if found not in _LINES or only_returns else found


def delimiter_of(head: str, said: str | None) -> str:
    """The delimiter of CSV. Raises `FileUnusable` where two fit as well, or what was said is no single character."""
    if said:
        one = "\t" if said.lower() == "tab" else said
        if len(one) != 1 or one in '"\r\n':
            raise FileUnusable(f"the delimiter {said!r} is no single character; write one, or tab")
        return one
    first = head.splitlines()[:50]
    widths = {one: _width(first, one) for one in _DELIMITERS}
    most = max(widths.values())
    best = [one for one, width in widths.items() if width == most]
    if most > 1 and len(best) > 1:
        raise FileUnusable(f"rows can be cut at {' or at '.join(map(repr, best))} into {most} columns each; say the delimiter")
    return best[0] if most > 1 else ","


def _width(lines: list[str], delimiter: str) -> int:
    """Into how many columns every row is cut; 0 where most are not cut like the first."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0
    width = len(rows[0]) if rows else 0
    return width if sum(len(row) == width for row in rows) * 2 > len(rows) else 0


def _named(said: str) -> str:
    try:
        found = codecs.lookup(said)
    except LookupError:
        raise FileUnusable(f"there is no encoding {said!r}; write one such as utf-8, cp1252 or utf-16") from None
    if not getattr(found, "_is_text_encoding", True):
        raise FileUnusable(f"{said!r} is no encoding of text; write one such as utf-8, cp1252 or utf-16")
    return {"utf-8-sig": "utf-8"}.get(found.name, found.name)


def _sure(file: BinaryIO) -> None:
    """Nobody said the encoding: then it is UTF-8, or a person has to say it. Raises `FileUnusable`."""
    decoder, at = codecs.getincrementaldecoder("utf-8")(), 1
    file.seek(0)
    while block := file.read(BLOCK):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            line = at + error.object[: error.start].count(b"\n")
            raise FileUnusable(
                f"line {line} holds the byte {error.object[error.start]:02X}, which is not UTF-8; say the encoding, such as "
                "cp1252. With encoding utf-8 only the rows that hold such bytes are set apart"
            ) from None
        at += block.count(b"\n")


def _no_nul(head: bytes, found: str) -> None:
    if not found.startswith("utf-16") and not found.startswith("utf-32") and head.count(b"\0") * 4 > len(head):
        raise FileUnusable(
            "a quarter of its bytes are NUL, so it is no text in this encoding; say the encoding, such as utf-16"
        )


def _as_utf8(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """The file in UTF-8, with line feeds alone as line ends where it has returns alone."""
    name = encoding.removesuffix("+copy")
    decoder = codecs.getincrementaldecoder("utf-16" if name in ("utf-16-le", "utf-16-be") and _marked(file) else name)("strict")
    file.seek(0)
    try:
        while block := file.read(BLOCK):
            yield _fed(decoder.decode(block), name).encode()
        yield _fed(decoder.decode(b"", final=True), name).encode()
    except UnicodeDecodeError as error:
        raise FileUnusable(f"the file is not {name}: {error.reason}; say another encoding") from None


def _fed(text: str, name: str) -> str:
    return text if name.startswith("utf-") and "\n" in text else text.replace("\r", "\n")


def _marked(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _written(path: Path, blocks: Iterator[bytes]) -> None:
    """All or nothing: the file gets its name when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            for block in blocks:
                file.write(block)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
