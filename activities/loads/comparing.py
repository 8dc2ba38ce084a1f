"""How two files differ: their rows go into a database of ours on disk, whose queries find it. Memory stays flat."""

import re
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine, text

from activities.loads.differing import Pair, found
from activities.loads.examining import Read, read_source, source_of
from activities.loads.mapped import apply, problems
from activities.loads.reconciling import Found
from activities.loads.records import rows_of
from activities.loads.sources import FileUnusable, Sources, format_of
from activities.loads.staging import quoted
from contracts.errors import Refused
from contracts.load_input import LoadInput
from contracts.tables import COLUMN, ColumnType, LoadPlan, MappedColumn, Mapping, TableColumn

LEFT, RIGHT = "baton_left", "baton_right"


def files_differ(sources: Sources, asked: LoadInput) -> tuple[int, int, Found, str]:
    """Rows that are compared on both sides, rows that break a rule, the differences, and what is not compared."""
    files = (asked.reconcile or "", asked.against or "")
    reads = [_read(sources, asked, file) for file in files]
    mappings = [
        asked.mapped(name) or by_name(file, read.header)
        for name, file, read in zip(("mapping", "against_mapping"), files, reads, strict=True)
    ]
    columns = _columns(asked, mappings, reads, files)
    plans = [_plan(asked, *side, columns) for side in zip(reads, mappings, (LEFT, RIGHT), strict=True)]
    names = tuple(one.name for one in columns)
    apart = {name: asked.tolerance for name in names if asked.tolerance} | {
        one.name: asked.tolerance for one in columns if one.type == "decimal"
    }
    numbers = {name: most for name, most in (apart | asked.apart()).items() if name not in asked.key_columns()}
    pair = Pair(LEFT, RIGHT, names, asked.key_columns(), numbers, (), (True, True), files, ("only_in_left", "only_in_right"))
    with _database(sources.folder) as connection:
        counted = [_filled(connection, sources, plan, asked.key_columns()) for plan in plans]
        everything = list(found(connection, pair))
    alone = sorted({one.to for mapping in mappings for one in mapping.columns} - set(names))
    return counted[0][0], sum(bad for _, bad in counted), everything, ", ".join(alone)


def _read(sources: Sources, asked: LoadInput, file: str) -> Read:
    # What is said of CSV is not said of a file beside it that is something else.
    only_csv = asked if format_of(file, asked.format) == "csv" else asked.model_copy(update={"delimiter": None})
    return read_source(sources, source_of(sources, only_csv, file))


def by_name(file: str, header: Sequence[str]) -> Mapping:
    """Every column by its own name, in small letters with `_` for what is neither letter nor digit. Raises `FileUnusable`."""
    names: dict[str, str] = {}
    for name in header:
        short = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        if not re.fullmatch(COLUMN, short):
            continue
        if short in names:
            raise FileUnusable(f"{file}: the columns {names[short]!r} and {name!r} are both {short}; name them by a mapping")
        names[short] = name
    if not names:
        raise FileUnusable(f"{file}: no column has a name in letters and digits; name them by a mapping")
    return Mapping(columns=tuple(MappedColumn(to=short, source=name) for short, name in names.items()))


def _columns(
    asked: LoadInput, mappings: Sequence[Mapping], reads: Sequence[Read], files: Sequence[str]
) -> tuple[TableColumn, ...]:
    """The columns that both files have. Raises `Refused` for a mapping, key or tolerance that does not fit them."""
    left, right = ({one.to: one for one in mapping.columns} for mapping in mappings)
    for file, mapping, read in zip(files, mappings, reads, strict=True):
        every = [TableColumn(name=one.to, type="text", required=False) for one in mapping.columns]
        if wrong := problems(mapping, every, read.header):
            raise Refused(f"{file}: {'; '.join(wrong)}"[:4000])
    both = [name for name in left if name in right]
    if missing := [name for name in (*asked.key_columns(), *asked.apart()) if name not in both]:
        raise Refused(f"{', '.join(missing)} is not in both files; these are: {', '.join(both) or 'none'}"[:2000])
    return tuple(
        TableColumn(name=name, type=_type(left[name], right[name]), required=name in asked.key_columns()) for name in both
    )


def _type(left: MappedColumn, right: MappedColumn) -> ColumnType:
    """What a column is: text, unless a mapping says how its numbers, dates or times are written."""
    for one in (left, right):
        if one.zone is not None:
            return "datetime"
        if one.date != "iso":
            return "date"
        if one.decimal != "point" or one.grouped:
            return "decimal"
    return "text"


def _plan(asked: LoadInput, read: Read, mapping: Mapping, into: str, columns: tuple[TableColumn, ...]) -> LoadPlan:
    names = {one.name for one in columns}
    return LoadPlan(
        source=read.source,
        header=read.header,
        mapping=Mapping(columns=tuple(one for one in mapping.columns if one.to in names)),
        target="",
        table="",
        into=into,
        columns=columns,
        key=asked.key_columns(),
        batches=tuple(read.batches),
    )


@contextmanager
def _database(folder: Path) -> Iterator[Connection]:
    """A database that is gone with the connection, or with the worker: its file has no name once it is open."""
    folder.mkdir(parents=True, exist_ok=True)

    def connect() -> sqlite3.Connection:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="compare-") as file:
            opened = sqlite3.connect(file.name)
            # Opened by the first statement, and without a journal, which would be looked for by name.
            opened.execute("pragma journal_mode = off")
            opened.execute("pragma synchronous = off")
            opened.execute("create table opened (at integer)")
        return opened

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _filled(connection: Connection, sources: Sources, plan: LoadPlan, key: Sequence[str]) -> tuple[int, int]:
    """Put the rows of a file into a table; returns how many, and how many break a rule."""
    rows, bad = 0, 0
    names = [one.to for one in plan.mapping.columns]
    listed, marks = ", ".join(quoted(names)), ", ".join("?" * len(names))
    connection.execute(text(f"create table {plan.into} (baton_line integer, {listed})"))
    with sources.lines(plan.source) as file:
        for batch in plan.batches:
            mapped = apply(plan, rows_of(file, plan.source, plan.header, batch), {})
            rows, bad = rows + len(mapped.at), bad + len(mapped.broken)
            lines = list(zip(mapped.lines, *mapped.columns.values(), strict=True))
            if lines:
                connection.exec_driver_sql(f"insert into {plan.into} values (?, {marks})", lines)  # noqa: S608 (names of ours)
    connection.execute(text(f"create index {plan.into}_key on {plan.into} ({', '.join(quoted(key))})"))
    return rows, bad
