"""The rows of a source: where each begins, what its cells are, and which cannot be read as a row at all."""

import csv
import io
import json
import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from activities.loads.sources import FileChanged, FileUnusable, reads_as
from activities.loads.values import Broken
from contracts.base import sha256
from contracts.tables import Batch, Source

ROWS, BYTES = 25_000, 16 * 1024 * 1024
"""Most rows of one batch, and bytes after which it ends with the row that passes them."""

RECORD = 64 * 1024 * 1024
"""Most bytes of one row."""

BATCHES = 200_000

# Process-wide, and the module's own limit of a cell is above any that a column may have: `values.LONGEST`.
csv.field_size_limit(RECORD)

Row = list[str | None]


@dataclass
class Rows:
    """Rows of one batch. `lines` says where each begins, `raw` has them as they were; broken ones have no cells."""

    header: tuple[str, ...]
    lines: list[int] = field(default_factory=list)
    cells: list[Row] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    def columns(self) -> dict[str, list[str | None]]:
        """The cells by column."""
        found = zip(*self.cells, strict=True) if self.cells else ((),) * len(self.header)
        return {name: list(cells) for name, cells in zip(self.header, found, strict=True)}


class Lines:
    """Lines of text with the position of what was read. Bytes that are none in the encoding become surrogates."""

    def __init__(self, file: BinaryIO, encoding: str, line: int = 0) -> None:
        self.line = line
        self.offset = file.tell()
        self.began = self.offset
        self._file, self._encoding = file, encoding

    def __iter__(self) -> Iterator[str]:
        encoding, at_start = self._encoding, self.offset == 0
        for raw in self._file:
            self.line += 1
            self.offset += len(raw)
            if self.offset - self.began > RECORD:
                raise FileUnusable(f"the row before line {self.line} has more than {RECORD} bytes; is a quote not closed?")
            if at_start:
                raw, at_start = raw.removeprefix(BOM_UTF8), False
            yield raw.decode(encoding, errors="surrogateescape")


class Text:
    """The lines of a batch that is in memory."""

    def __init__(self, data: bytes, encoding: str, line: int, *, at_start: bool) -> None:
        self.line = line
        self.began = 0
        # As in a file: only line feeds end a line, so that line numbers are those of the first reading.
        self._text = io.StringIO(
            (data.removeprefix(BOM_UTF8) if at_start else data).decode(encoding, "surrogateescape"), newline="\n"
        )

    def __iter__(self) -> Iterator[str]:
        return self._text


def header_of(file: BinaryIO, source: Source) -> tuple[tuple[str, ...], int, int]:
    """The columns of CSV, the position after them, and their last line. Raises `FileUnusable`."""
    file.seek(0)
    lines = Lines(file, reads_as(source))
    reader = csv.reader(iter(lines), delimiter=source.delimiter, strict=True)
    try:
        found = next((row for row in reader if row), None)
    except csv.Error as error:
        raise FileUnusable(f"the header cannot be read: {error}") from None
    if found is None:
        raise FileUnusable("the file is empty: it has not even a header")
    names = tuple(name.strip() or f"(column {number})" for number, name in enumerate(found, 1))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileUnusable(f"the header names {', '.join(twice)} more than once, so a mapping could mean either; rename one")
    return names, lines.offset, lines.line


def batches_of(file: BinaryIO, source: Source) -> tuple[tuple[str, ...], list[Batch], list[Row]]:
    """The columns, where the batches are, and the first rows. Reads the whole file once. Raises `FileUnusable`."""
    header, start, line = header_of(file, source) if source.format == "csv" else ((), 0, 0)
    file.seek(start)
    lines = Lines(file, reads_as(source), line)
    rows = _csv(lines, source.delimiter) if source.format == "csv" else _json(lines)
    batches: list[Batch] = []
    sample: list[Row] = []
    names: dict[str, None] = dict.fromkeys(header)
    offset, first, count = start, line + 1, 0
    for begins, found, _ in rows:
        count += 1
        if isinstance(found, dict):
            names.update(dict.fromkeys(found))
        if len(sample) < 20 and not isinstance(found, str):
            sample.append([found.get(name) for name in names] if isinstance(found, dict) else list(found))
        if count >= ROWS or lines.offset - offset >= BYTES:
            batches.append(_batch(file, lines, offset, first, count))
            offset, first, count = lines.offset, lines.line + 1, 0
            if len(batches) > BATCHES:
                raise FileUnusable(f"the file has more than {BATCHES * ROWS} rows; cut it into several")
        del begins
    if count:
        batches.append(_batch(file, lines, offset, first, count))
    if not names:
        raise FileUnusable("the file is empty: it has no row that names a column")
    width = len(names)
    return tuple(names), batches, [[*row, *[None] * (width - len(row))] for row in sample]


def _batch(file: BinaryIO, lines: Lines, offset: int, first: int, count: int) -> Batch:
    size = lines.offset - offset
    # Not by the file's own position, which is ahead: lines are read in blocks.
    digest = sha256(os.pread(file.fileno(), size, offset))
    return Batch(offset=offset, size=size, line=first, rows=count, digest=digest)


def rows_of(file: BinaryIO, source: Source, header: tuple[str, ...], batch: Batch) -> Rows:
    """The rows of one batch. Raises `FileChanged` if its bytes are other ones than were approved."""
    file.seek(batch.offset)
    data = file.read(batch.size)
    if sha256(data) != batch.digest:
        raise FileChanged(
            f"{source.file} has changed since it was approved: the rows from line {batch.line} on are other ones. None of them "
            "was loaded; start a new load for what the file holds now"
        )
    lines = Text(data, reads_as(source), batch.line - 1, at_start=batch.offset == 0)
    found = Rows(header)
    width, none = len(header), [None] * len(header)
    for begins, row, raw in _csv(lines, source.delimiter) if source.format == "csv" else _json(lines):
        at = len(found.lines)
        found.lines.append(begins)
        if isinstance(row, dict):
            found.cells.append(list(map(row.get, header)))
        elif isinstance(row, list) and len(row) == width:
            found.cells.append(row)
        else:
            found.cells.append(list(none))
            found.broken.append(_unreadable(at, row, raw, width, header))
    if len(found.lines) != batch.rows:
        raise FileChanged(f"{source.file}: {len(found.lines)} rows are where {batch.rows} were counted; start a new load")
    return found


def _unreadable(at: int, row: Row | str, raw: str, width: int, header: tuple[str, ...]) -> Broken:
    if isinstance(row, str):
        return Broken(at, "", "format", raw, row)
    values = dict(zip(header, row, strict=False))
    why = f"it has {len(row)} cells, and the header has {width}"
    return Broken(at, "", "cells", json.dumps(values, ensure_ascii=False), why)


Found = tuple[int, Row | dict[str, str | None] | str, str]
"""The line in which a row begins, its cells or why it has none, and the text of one that has none."""


def _csv(lines: Lines | Text, delimiter: str) -> Iterator[Found]:
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    before, begins = lines.line, lines.line + 1
    while True:
        try:
            for row in reader:
                if row:
                    yield begins, row, ""  # type: ignore[misc]  # a reader's cells are text
                begins = before + reader.line_num + 1
                if isinstance(lines, Lines):
                    lines.began = lines.offset
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise FileUnusable(f"a quote that is opened in the row of line {begins} is never closed; close it") from None
            yield begins, f"it is no row of CSV: {error}", f"lines {begins} to {before + reader.line_num}"
            begins = before + reader.line_num + 1


def _json(lines: Lines | Text) -> Iterator[Found]:
    for number, line in enumerate(lines, lines.line + 1):
        if isinstance(lines, Lines):
            lines.began = lines.offset
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)
            if not isinstance(row, dict):
                raise ValueError("it is no JSON object")
            yield number, {name: _cell(name, value) for name, value in row.items()}, ""
        except (ValueError, RecursionError) as error:
            yield number, f"it is no row: {error}"[:500], line[:LONGEST_SHOWN]


LONGEST_SHOWN = 100_000


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it names {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def _cell(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    raise ValueError(f"{name!r} is a list or an object, and a column has one value")
