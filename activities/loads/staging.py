"""Rows of a batch in a temporary table of the target, and what the table makes of them. PostgreSQL and SQLite."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from activities.loads.values import Cells
from contracts.errors import BatonError
from contracts.tables import TableColumn

STAGED = "baton_staged"
_WIDE = {"integer": "bigint", "int": "bigint", "smallint": "bigint"}
"""Every integer of SQLite has 64 bits, whatever its column is called."""

TEXTUAL = ("json", "xml", "point", "line", "box", "path", "polygon", "circle")
"""Types that PostgreSQL cannot compare: their text is compared."""


class TableUnusable(BatonError):
    """The table is not there, is another than its contract says, or may not be used. The text says what to do."""


@dataclass(frozen=True)
class Column:
    """A column as the database has it."""

    name: str
    type: str
    length: int | None
    digits: int | None
    places: int | None
    nullable: bool
    given: bool
    """Whether the database has a value of its own for a row that names none."""


def columns_of(connection: Connection, table: str) -> dict[str, Column]:
    """The columns of a table. Raises `TableUnusable` where there is none."""
    found = _of_sqlite(connection, table) if connection.dialect.name == "sqlite" else _of_postgresql(connection, table)
    if not found:
        raise TableUnusable(f"the database has no table {table}, or its role may not see it; make it, or grant the right")
    return {one.name: one for one in found}


def _of_sqlite(connection: Connection, table: str) -> list[Column]:
    rows = connection.execute(
        text('select name, type, "notnull", dflt_value, pk from pragma_table_info(:table)'), {"table": table}
    )
    return [
        Column(
            row.name.lower(),
            _WIDE.get(row.type.lower(), row.type.lower()),
            None,
            None,
            None,
            not row.notnull,
            row.dflt_value is not None or bool(row.pk),
        )
        for row in rows
    ]


def _of_postgresql(connection: Connection, table: str) -> list[Column]:
    schema, _, name = table.rpartition(".")
    rows = connection.execute(
        text(
            "select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, "
            "column_default is not null or is_identity = 'YES' as given from information_schema.columns "
            "where table_name = :name and table_schema = coalesce(nullif(:schema, ''), current_schema()) "
            "order by ordinal_position"
        ),
        {"name": name, "schema": schema},
    )
    return [
        Column(
            row.column_name,
            row.data_type,
            row.character_maximum_length,
            row.numeric_precision if row.data_type == "numeric" else None,
            row.numeric_scale if row.data_type == "numeric" else None,
            row.is_nullable == "YES",
            row.given,
        )
        for row in rows
    ]


def unique_over(connection: Connection, table: str, key: Sequence[str]) -> bool:
    """Whether the database itself keeps two rows with one key apart."""
    if connection.dialect.name == "sqlite":
        return _unique_sqlite(connection, table, set(key))
    rows = connection.execute(
        text(
            "select array_agg(a.attname::text) as names from pg_index i join pg_attribute a on a.attrelid = i.indrelid and "
            "a.attnum = any(i.indkey) where i.indrelid = cast(:table as regclass) and i.indisunique and i.indpred is null and "
            "i.indisvalid group by i.indexrelid"
        ),
        {"table": table},
    )
    return any(set(row.names) == set(key) for row in rows)


def _unique_sqlite(connection: Connection, table: str, key: set[str]) -> bool:
    named = {"table": table}
    primary = connection.execute(text("select lower(name) from pragma_table_info(:table) where pk > 0"), named).scalars()
    if set(primary) == key:
        return True
    indexes = text('select name from pragma_index_list(:table) where "unique" = 1 and partial = 0')
    for index in connection.execute(indexes, named).scalars().all():
        of = connection.execute(text("select lower(name) from pragma_index_info(:index)"), {"index": index}).scalars()
        if set(of) == key:
            return True
    return False


def narrowed(column: TableColumn, there: Column) -> TableColumn:
    """What the contract asks, and what the database has room for: nothing is cut or rounded there."""
    limits: dict[str, Any] = {}
    if column.type == "text" and there.length is not None:
        limits["longest"] = min(there.length, column.longest or there.length)
    if column.type == "decimal" and there.places is not None:
        limits |= {
            "places": min(there.places, there.places if column.places is None else column.places),
            "digits": there.digits,
        }
    if column.type == "integer" and there.type in ("integer", "smallint"):
        most = 2**31 - 1 if there.type == "integer" else 2**15 - 1
        if column.most is None and column.below is None:
            limits["most"] = str(most)
        if column.least is None and column.above is None:
            limits["least"] = str(-most - 1)
    if not there.nullable and not there.given:
        limits["required"] = True
    return column.model_copy(update=limits)


def stage(connection: Connection, table: str, at: Sequence[int], columns: Mapping[str, Cells]) -> None:
    """Put the rows into a temporary table with the table's own types, `at` as their numbers."""
    names = list(columns)
    listed = ", ".join(quoted(names))
    connection.execute(text(f"drop table if exists {STAGED}"))
    selected = f"select 0 as baton_line, {listed} from {table} where 1 = 0"  # noqa: S608 (names of the settings)
    connection.execute(text(f"create temporary table {STAGED} as {selected}"))
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        numbered = list(zip(at, *columns.values(), strict=True))
        if numbered:
            connection.exec_driver_sql(f"insert into {STAGED} values (?, {marks})", numbered)  # noqa: S608
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"copy {STAGED} (baton_line, {listed}) from stdin") as copy:
        copy.write(_as_copied(at, columns))
    connection.execute(text(f"analyze {STAGED}"))


def unstage(connection: Connection, gone: Sequence[int]) -> None:
    """Take the rows with these numbers out of the temporary table."""
    each = "select value from json_each(:gone)"
    if connection.dialect.name != "sqlite":
        each = "select cast(value as integer) from json_array_elements_text(cast(:gone as json))"
    connection.execute(text(f"delete from {STAGED} where baton_line in ({each})"), {"gone": json.dumps(list(gone))})  # noqa: S608


_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _as_copied(at: Sequence[int], columns: Mapping[str, Cells]) -> bytes:
    """Rows as PostgreSQL's COPY takes them, made column by column."""
    made: list[Sequence[str]] = []
    for cells in columns.values():
        present: Sequence[str] = [one for one in cells if one is not None]
        joined = "".join(present)
        if any(sign in joined for sign in "\\\t\n\r"):
            made.append(["\\N" if one is None else one.translate(_ESCAPED) for one in cells])
        else:
            made.append(["\\N" if one is None else one for one in cells] if len(present) < len(cells) else present)
    rows = map("\t".join, zip(map(str, at), *made, strict=True))
    return "".join(f"{row}\n" for row in rows).encode()


def quoted(names: Sequence[str], of: str = "") -> Iterator[str]:
    """Names as SQL has them; they come from settings and contracts, and have letters, digits and underscores alone."""
    for name in names:
        yield f'{of}"{name}"'
