"""Statements that are built and compiled once and then go straight to the driver.

A model call runs some twenty small statements. SQLAlchemy takes about twenty times as long as the driver to execute one, which
was half of a worker's CPU; so the statements on that path are written with SQLAlchemy and run without it. Transactions,
connections and everything else stay SQLAlchemy's.
"""

import functools
from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ClauseElement, ColumnElement, Connection, Row, Table, bindparam, or_, select
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


class Statement:
    """One statement with named parameters. Values must be of types that drivers take unchanged: text, integers, bytes, None."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        """`columns` are those of an INSERT whose values are given when it runs."""
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def first(self, connection: Connection, **values: Any) -> Row[Any] | None:
        """The first row, or None."""
        compiled, cursor = self._run(connection, values)
        found = cursor.fetchone()
        return None if found is None else compiled.row(found)

    def all(self, connection: Connection, **values: Any) -> list[Row[Any]]:
        """Every row."""
        compiled, cursor = self._run(connection, values)
        return [compiled.row(found) for found in cursor.fetchall()]

    def scalar(self, connection: Connection, **values: Any) -> Any:
        """The first column of the first row; None if there is no row."""
        found = self._run(connection, values)[1].fetchone()
        return None if found is None else found[0]

    def run(self, connection: Connection, **values: Any) -> int:
        """Run it and return how many rows it touched."""
        return int(self._run(connection, values)[1].rowcount)

    def run_each(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each set of values."""
        compiled = self._for(connection.dialect)
        cursor = _driver(connection).cursor()
        with _as_sqlalchemy_says(connection, compiled.text):
            cursor.executemany(compiled.text, [compiled.parameters(values) for values in rows])

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> tuple["_Compiled", Any]:
        compiled = self._for(connection.dialect)
        cursor = _driver(connection).cursor()
        with _as_sqlalchemy_says(connection, compiled.text):
            cursor.execute(compiled.text, compiled.parameters(values))
        return compiled, cursor

    def _for(self, dialect: Dialect) -> "_Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            made = self._statement.compile(dialect=dialect, column_keys=self._columns and list(self._columns))
            found = self._compiled[dialect.name] = _Compiled(cast("SQLCompiler", made))
        return found


class _Compiled:
    """A statement as compiled for one database."""

    def __init__(self, made: SQLCompiler) -> None:
        self.text = str(made)
        order = made.positiontup
        # itemgetter with a single name returns the value itself and not a tuple.
        self._pick = None if not order else itemgetter(*order) if len(order) > 1 else lambda values: (values[order[0]],)
        # SQLite takes positions, psycopg names; values that the statement itself contains are among its parameters, too.
        self._named = order is None
        self._fixed = made.params if order is not None else {name: one for name, one in made.params.items() if one is not None}
        names = [column.name for column in getattr(made.statement, "selected_columns", ())]
        names = names or [column.name for column in getattr(made.statement, "_returning", ())]
        self._tuple = namedtuple("Found", names, rename=True) if names else tuple

    def parameters(self, values: Mapping[str, Any]) -> Any:
        if self._named:
            return {**self._fixed, **values}
        return () if self._pick is None else self._pick({**self._fixed, **values})

    def row(self, found: Sequence[Any]) -> Row[Any]:
        """A named tuple, which is what callers use of SQLAlchemy's rows."""
        return cast("Row[Any]", self._tuple(*found))


class _as_sqlalchemy_says:
    """Turns the driver's errors into SQLAlchemy's, so that callers know one kind."""

    __slots__ = ("_connection", "_text")

    def __init__(self, connection: Connection, text: str) -> None:
        self._connection, self._text = connection, text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        base = self._connection.dialect.loaded_dbapi.Error
        if isinstance(error, base):
            gone = self._connection.dialect.is_disconnect(cast("Any", error), cast("Any", _driver(self._connection)), None)
            # As SQLAlchemy does itself: a broken connection must not go back into the pool.
            if gone:
                self._connection.invalidate()
            raise DBAPIError.instance(
                self._text, None, error, base, connection_invalidated=gone, dialect=self._connection.dialect
            ) from error


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def tell_driver(connection: Connection, text: str) -> None:
    """Run one statement without parameters and without a result, such as BEGIN. Errors are SQLAlchemy's."""
    with _as_sqlalchemy_says(connection, text):
        _driver(connection).execute(text)


SOME = 16
"""Most rows or keys of one statement that is kept compiled."""


class InsertMany:
    """An INSERT of any number of rows with these columns, as few statements as that takes."""

    def __init__(self, table: Table, columns: Sequence[str], *, unless_there: bool = False) -> None:
        """With `unless_there` it does nothing for a row whose key exists."""
        self._table, self._columns, self._unless_there = table, tuple(columns), unless_there

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows. Values must be of types that drivers take unchanged."""
        for first in range(0, len(rows), SOME):
            some = rows[first : first + SOME]
            values = {f"{name}__{at}": row[name] for at, row in enumerate(some) for name in self._columns}
            _insert_many(connection.dialect.name, self._table, self._columns, len(some), self._unless_there).run(
                connection, **values
            )


@functools.cache
def _insert_many(dialect: str, table: Table, columns: tuple[str, ...], count: int, unless_there: bool) -> Statement:
    of_column = {name: table.c[name].type for name in columns}
    rows = [{name: bindparam(f"{name}__{at}", type_=of_column[name]) for name in columns} for at in range(count)]
    made = insert_into(dialect, table).values(rows)
    return Statement(made.on_conflict_do_nothing() if unless_there else made)


class Among:
    """Which of some keys a column has: one statement for up to `SOME` of them."""

    def __init__(self, column: ColumnElement[str]) -> None:
        self._column = column

    def find(self, connection: Connection, keys: Iterable[str]) -> set[str]:
        """Those of the keys that are there."""
        wanted, found = list(dict.fromkeys(keys)), set[str]()
        for first in range(0, len(wanted), SOME):
            some = wanted[first : first + SOME]
            rows = _among(self._column, len(some)).all(connection, **{f"key__{at}": key for at, key in enumerate(some)})
            found.update(row[0] for row in rows)
        return found


@functools.cache
def _among(column: ColumnElement[str], count: int) -> Statement:
    wanted = (bindparam(f"key__{at}", type_=column.type) for at in range(count))
    return Statement(select(column).where(or_(*(column == one for one in wanted))).distinct())


@functools.cache
def insert_unless_there(dialect: str, table: Table, columns: tuple[str, ...]) -> Statement:
    """An INSERT of these columns that does nothing if a row with the same key exists."""
    return Statement(insert_into(dialect, table).on_conflict_do_nothing(), columns)


def insert_into(dialect: str, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT as this database has it, which may say what happens if the key exists."""
    # Imported here: of the two dialects a process needs one, and PostgreSQL's takes longer to load than a short command runs.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(table)
    from sqlalchemy.dialects.postgresql import insert as insert_there

    return insert_there(table)
