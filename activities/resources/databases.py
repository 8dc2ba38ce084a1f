"""A declared database, read through its declared queries and in no other way."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from contracts.errors import BatonError, Misconfigured
from contracts.step_resources import DatabaseSetting, QuerySetting

SECONDS = 30
"""How long one query may take."""

Value = str | int | bool | None


class QueryRefused(BatonError):
    """The query cannot be run so. The text says what would work."""


@dataclass(frozen=True)
class Rows:
    """What a query gave: at most as many rows as asked for. `more` says that there are others."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    more: bool


@dataclass(frozen=True)
class Reader:
    """A database and its queries. It is opened for one query at a time, and read-only."""

    name: str
    url: URL
    queries: Mapping[str, QuerySetting]

    def parameters(self, query: str) -> tuple[str, ...]:
        """The names that the query's statement wants, sorted. Raises `QueryRefused` where there is no such query."""
        return tuple(sorted(text(self._query(query).sql).compile().params))

    def run(self, query: str, given: Mapping[str, Value], limit: int) -> Rows:
        """Run one declared query and give back at most `limit` rows. Raises `QueryRefused`."""
        statement, wanted = text(self._query(query).sql), self.parameters(query)
        if set(given) != set(wanted):
            raise QueryRefused(
                f"{query} takes the parameters {', '.join(wanted) or '(none)'}; got {', '.join(sorted(given)) or 'none'}"
            )
        try:
            with self._reading() as connection:
                found = connection.execute(statement, dict(given))
                if not found.returns_rows:
                    raise QueryRefused(f"{query} gives back no rows, so it is no query; an operator has to correct its sql")
                rows = found.fetchmany(limit + 1)
                return Rows(tuple(found.keys()), tuple(tuple(map(_value, row)) for row in rows[:limit]), len(rows) > limit)
        except SQLAlchemyError as error:
            raise QueryRefused(f"the database {self.name} did not answer {query}: {said_by(error)}") from None

    def _query(self, name: str) -> QuerySetting:
        found = self.queries.get(name)
        if found is None:
            names = ", ".join(sorted(self.queries)) or "none"
            raise QueryRefused(f"the database {self.name} has no query {name!r}; it has: {names}")
        return found

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        engine = _sqlite(self.url) if self.url.get_backend_name() == "sqlite" else _postgresql(self.url)
        try:
            with engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    # Once more, here: a pooler in between may ignore the options of the connection.
                    connection.execute(text("SET TRANSACTION READ ONLY"))
                yield connection
        finally:
            engine.dispose()


def reader(name: str, setting: DatabaseSetting) -> Reader:
    """The database of this table of the settings. Raises `Misconfigured` for a URL that cannot be used."""
    table = f"[databases.{name}]"
    said = setting.url.get_secret_value()
    if setting.url_file is not None:
        try:
            said = setting.url_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{table}: url_file {setting.url_file} cannot be read: {error}") from None
    return Reader(name, usable_url(table, said), setting.queries)


def usable_url(table: str, said: str) -> URL:
    """A database URL that somebody wrote in this table. Raises `Misconfigured` for one that cannot be used."""
    try:
        url = make_url(said)
    except ArgumentError:
        # Without the URL itself: it holds a password.
        raise Misconfigured(f"{table}: url is not a database URL; write sqlite:///FILE or postgresql+psycopg://…") from None
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise Misconfigured(f"{table}: {url.drivername} is not known; write sqlite:///FILE or postgresql+psycopg://…")
    return url


def open_sqlite(url: URL, mode: Literal["ro", "rw"], seconds: int) -> sqlite3.Connection:
    """A connection whose statements together may take so many seconds."""
    # The file is never made: a wrong path is an error, not an empty database.
    connection = sqlite3.connect(f"file:{_quoted(url.database or '')}?mode={mode}", uri=True, check_same_thread=False)
    # SQLite has no timeout for a statement; a handler that returns 1 interrupts it.
    ends = time.monotonic() + seconds
    connection.set_progress_handler(lambda: int(time.monotonic() > ends), 10_000)
    return connection


def _sqlite(url: URL) -> Engine:
    def connect() -> sqlite3.Connection:
        return open_sqlite(url, "ro", SECONDS)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _quoted(path: str) -> str:
    # In a URI these begin an escape, a query or a fragment: a path could take `mode=ro` away.
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _postgresql(url: URL) -> Engine:
    # The server enforces both, so a statement that takes too long also ends there.
    options = f"-c default_transaction_read_only=on -c statement_timeout={SECONDS * 1000}"
    return create_engine(
        url, poolclass=NullPool, connect_args={"connect_timeout": 10, "options": options}, hide_parameters=True
    )


def _value(value: Any) -> Value:
    """As a contract can hold it: two machines must make the same bytes, so numbers with a fraction are text."""
    if value is None or isinstance(value, str | int):
        return value
    return value.hex() if isinstance(value, bytes | memoryview) else str(value)


def said_by(error: SQLAlchemyError) -> str:
    """What the database said, in one line and without the statement's values."""
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0][:500]
