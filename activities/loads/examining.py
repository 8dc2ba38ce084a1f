"""What is loaded where: the file with its batches, and the table with what a row has to be."""

import json
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from activities.actions.declared import Targets
from activities.actions.sql_book import opened
from activities.actions.sql_load import table_of
from activities.loads import staging
from activities.loads.records import Row, batches_of
from activities.loads.schema import columns_of
from activities.loads.sources import FileUnusable, Sources, delimiter_of, digest_of, encoding_of, format_of
from activities.loads.staging import TableUnusable
from activities.resources.databases import said_by
from contracts.effects.targets import SqlTarget
from contracts.load import Samples
from contracts.load_input import LoadInput
from contracts.tables import Batch, Source, TableColumn, TableSetting
from contracts.text import one_line

SECONDS = 600
"""How long one statement of a batch may take."""

SAMPLE_BYTES, CELL = 24 * 1024, 160
"""Most bytes of the rows that an agent is shown, and characters of each cell."""


@dataclass(frozen=True)
class Table:
    """A declared table with what a row has to be: the contract, narrowed to what the database has room for."""

    setting: TableSetting
    columns: tuple[TableColumn, ...]


@dataclass(frozen=True)
class Read:
    """A file as it was read once from end to end."""

    source: Source
    header: tuple[str, ...]
    batches: list[Batch]
    samples: Samples


def table_at(targets: Targets, target: str, name: str) -> Table:
    """The declared table, as it is there now. Raises `TableUnusable`, `Refused` or `Misconfigured`."""
    setting = targets.get(target, SqlTarget)
    table = table_of(name, target, setting)
    asked = columns_of(f"[targets.{target}.tables.{name}]", table.row)
    with opened(targets, target, setting) as connection:
        try:
            return Table(table, _there(connection, table, asked))
        except SQLAlchemyError as error:
            raise TableUnusable(f"the table {table.table} cannot be looked at: {said_by(error)}") from None


def _there(connection: Connection, table: TableSetting, asked: tuple[TableColumn, ...]) -> tuple[TableColumn, ...]:
    there = staging.columns_of(connection, table.table)
    lacking = [one.name for one in asked if one.name not in there]
    if lacking:
        _differs(table, f"has no column {', '.join(lacking)}, which its contract has; it has {', '.join(there)}")
    unknown = set(table.key) - {one.name for one in asked}
    if unknown:
        _differs(table, f"has the key {', '.join(sorted(unknown))}, which its contract does not have")
    for one in asked:
        if one.type == "datetime" and there[one.name].type == "timestamp without time zone":
            _differs(table, f"keeps {one.name} without its zone; make the column a timestamp with time zone")
    needed = [
        name
        for name, column in there.items()
        if not (column.nullable or column.given) and name not in {one.name for one in asked}
    ]
    if needed:
        _differs(table, f"needs a value for {', '.join(needed)}, which its contract does not have")
    if not staging.unique_over(connection, table.table, table.key):
        _differs(table, f"has no unique index over {', '.join(table.key)}, so a row could be there twice; make one")
    narrowed = (staging.narrowed(one, there[one.name]) for one in asked)
    return tuple(one.model_copy(update={"required": True}) if one.name in table.key else one for one in narrowed)


def _differs(table: TableSetting, what: str) -> NoReturn:
    raise TableUnusable(f"the table {table.table} {what}")


def read_source(sources: Sources, source: Source) -> Read:
    """Read the whole file once. Raises `FileUnusable`."""
    with sources.lines(source) as file:
        header, batches, rows = batches_of(file, source)
    return Read(source, header, batches, _samples(header, rows))


def source_of(sources: Sources, asked: LoadInput, file: str) -> Source:
    """How the bytes of the file become rows. Raises `FileUnusable` where that can be read in two ways."""
    folder = asked.folder or ""
    with sources.opened(folder, file) as opened_file:
        form, digest = format_of(file, asked.format), digest_of(opened_file)
        size = opened_file.seek(0, 2)
        if size == 0:
            raise FileUnusable(f"{file} is empty: it has no rows and not even a header")
        if form == "parquet":
            return Source(folder=folder, file=file, digest=digest, size=size, format=form)
        encoding = encoding_of(opened_file, asked.encoding)
        if form == "jsonl" and asked.delimiter:
            raise FileUnusable("JSON lines have no delimiter; leave it out, or say that the format is csv")
    source = Source(folder=folder, file=file, digest=digest, size=size, format=form, encoding=encoding)
    if form == "jsonl":
        return source
    with sources.lines(source) as lines:
        head = lines.read(256 * 1024).decode("utf-8" if encoding.endswith("+copy") else encoding, errors="replace")
    return source.model_copy(update={"delimiter": delimiter_of(head, asked.delimiter)})


def _samples(header: tuple[str, ...], rows: list[Row]) -> Samples:
    kept: list[tuple[str | None, ...]] = []
    room = SAMPLE_BYTES
    for row in rows:
        cut = tuple(None if cell is None else one_line(cell, CELL) for cell in row)
        room -= len(json.dumps(cut))
        if room < 0:
            break
        kept.append(cut)
    return Samples(header=tuple(one_line(name, CELL) for name in header), rows=tuple(kept))
