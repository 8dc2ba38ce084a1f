"""The connection to the ledger, and the only place that commits."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Column, ColumnElement, Engine, Row, Select, Table, and_, create_engine, event, or_
from sqlalchemy import Connection as Connection  # re-exported for modules that write no SQL
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from ledger import afterwards, recent, seals, sessions, urls
from ledger.outages import explained, folder_unavailable
from ledger.statement import InsertMany, insert_unless_there, tell_driver
from ledger.writer import SHARES, Writer

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 30
"""How long a SQLite transaction waits for another process before it fails (and its activity is retried)."""

NOTICE_QUICKLY: dict[str, int | str] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""libpq settings: without them the system waits for a server that lost its power for hours."""

SESSION = {"idle_in_transaction_session_timeout": "60s", "tcp_keepalives_idle": "30"}
"""PostgreSQL session settings: a worker that freezes or loses its power inside a transaction does not block the others."""

AT_ONCE = 500
"""Ids in one statement; SQLite takes some thousand parameters."""

DEADLOCKS = 5
"""How often a transaction that PostgreSQL aborted to resolve a deadlock is retried at once."""


class Ledger:
    """One database and the folder of its large artifacts.

    `tx` runs a function in one transaction on the process's single writer thread; `read` runs one on a second thread. The
    function gets the connection first and must not commit; it is run again after a deadlock. Both are safe to call from many
    tasks. Both raise `LedgerUnavailable` if the database is down, locked or full: whether the function was committed is then
    unknown, and the caller runs it again.
    """

    def __init__(self, url: str, files: Path) -> None:
        """`url` is `sqlite:///FILE` or `postgresql://…`. `files` holds artifacts too large for a row.

        Raises `Misconfigured` for a URL that is not understood, `LedgerUnavailable` if SQLite's folder cannot be made.
        """
        self.url = url
        self.files = files
        self.engine = _engine(url)
        # One writer: SQLite allows no more, and a queue before it costs nothing (docs/decisions/0002-one-writer-thread.md).
        self._writer = Writer(self.engine, lambda function, *args, **kwargs: self.tx_now(function, *args, **kwargs))
        self._reader = ThreadPoolExecutor(1, "ledger-reader")

    async def tx(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function(connection, …)` in one transaction and commit it. Cancelling the caller neither stops nor undoes it.

        On SQLite those that wait for the writer at the same moment share a commit; each stands or falls alone.
        """
        return await self._writer.run(function, *args, **kwargs)

    async def read(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function(connection, …)` without taking the write lock. It must only read."""
        work = asyncio.get_running_loop().run_in_executor(self._reader, lambda: self.read_now(function, *args, **kwargs))
        return await asyncio.shield(work)

    def tx_now(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `tx`, on this thread: for commands and tests."""
        with explained():
            for _ in range(DEADLOCKS):
                try:
                    return self._committed(function, *args, **kwargs)
                except OperationalError as error:
                    # Of an aborted transaction nothing has taken effect, so it can run again at once.
                    if not _is_deadlock(error):
                        raise
            # The last try, outside the loop: another deadlock goes to the caller, and Temporal retries with a back-off.
            return self._committed(function, *args, **kwargs)

    def _committed(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self.engine.connect() as connection:
            with connection.begin():
                result = function(connection, *args, **kwargs)
            afterwards.committed(connection)
            return result

    def read_now(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, on this thread."""
        # The option tells `_begin` to take no write lock.
        with explained(), self.engine.connect().execution_options(baton_reads=True) as connection:
            return function(connection, *args, **kwargs)

    def close(self) -> None:
        """Finish what is queued and give the connections back. Safe to call twice."""
        self._writer.close()
        self._reader.shutdown()
        self.engine.dispose()


def _engine(url: str) -> Engine:
    parsed = urls.read(url)
    if parsed.get_backend_name() != "sqlite":
        return _postgresql(parsed)
    folder = Path(parsed.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise folder_unavailable(folder, error, "folder") from None
    # One pool serves the writer's and the reader's thread, never the same connection at once.
    busy = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    # Parameters stay out of errors: those end up in logs and in Temporal, and values can be whole prompts.
    engine = create_engine(parsed, connect_args=busy, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        recent.forget(engine)
        # The driver would begin transactions late, before the first write only; we begin them ourselves, below.
        connection.isolation_level = None
        _use_wal(connection)
        # NORMAL: a power cut may take back the last commits but damages nothing in WAL mode; a killed process loses none.
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails under load ("database is locked") whatever the timeout.
        options = connection.get_execution_options()
        if options.get(SHARES) and not connection.info.get(SHARES):
            # What a savepoint could take back is kept in memory: in files it would cost the writes that sharing saves.
            tell_driver(connection, "PRAGMA temp_store=MEMORY")
            connection.info[SHARES] = True
        tell_driver(connection, "BEGIN" if options.get("baton_reads") else "BEGIN IMMEDIATE")
        seals.begin(connection)
        afterwards.begin(connection)

    return engine


def _postgresql(url: URL) -> Engine:
    """An engine that notices within seconds that its server is gone, and waits for locks no longer than SQLite does."""
    quick = {name: value for name, value in NOTICE_QUICKLY.items() if name not in url.query}
    # Else the environment, or the database, could name an encoding in which some texts cannot be sent.
    quick["client_encoding"] = sessions.ENCODING
    # Pinged first: a connection that broke in the pool is replaced, and does not fail the transaction that gets it.
    engine = create_engine(url, pool_pre_ping=True, pool_size=3, connect_args=quick, hide_parameters=True)
    settings = SESSION | {"lock_timeout": f"{BUSY_SECONDS}s"}

    # First of all listeners: SQLAlchemy's own asks the database, and cannot read the answers of some.
    @event.listens_for(engine, "connect", insert=True)
    def _prepare(connection: Any, record: Any) -> None:
        recent.forget(engine)
        sessions.begin_session(connection, record.info, settings)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        sessions.begin_transaction(connection, settings)
        seals.begin(connection)
        afterwards.begin(connection)

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    # While another process switches a new file to WAL, SQLite fails at once: its busy timeout does not apply.
    ends = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # The low byte is the primary code, which all kinds of BUSY share.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
        time.sleep(0.01)


def _is_deadlock(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "40P01"  # deadlock_detected; SQLite has one writer and knows none


def insert_each_once(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows whose keys do not exist yet. All rows have the same columns."""
    if rows:
        InsertMany(table, tuple(rows[0]), unless_there=True).run(connection, [plain_row(row) for row in rows])


def insert_once(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with its key exists. True if this call inserted it."""
    kept = plain_row(values)
    return insert_unless_there(connection.dialect.name, table, tuple(kept)).run(connection, **kept) == 1


def rows_with(connection: Connection, query: Select[Any], column: Column[Any], ids: Iterable[str]) -> Iterator[Row[Any]]:
    """The rows of a query in which this column is one of the ids, however many they are."""
    for some in in_parts(ids):
        yield from connection.execute(query.where(column.in_(some)))


def beginning_with(connection: Connection, column: Column[str], beginning: str) -> ColumnElement[bool]:
    """True of rows in which this column begins so."""
    if connection.dialect.name == "sqlite":
        # A range of its index, which SQLite does not use for LIKE.
        return and_(column >= beginning, column < f"{beginning}\U0010ffff")
    # Most databases of PostgreSQL compare as a language does, in which `:` may come after `;`.
    return column.startswith(beginning, autoescape=True)


def not_beginning_with(connection: Connection, column: Column[str], beginning: str) -> ColumnElement[bool]:
    """True of rows in which this column begins otherwise. On SQLite by two ranges of its index."""
    if connection.dialect.name == "sqlite":
        return or_(column < beginning, column >= f"{beginning}\U0010ffff")
    return ~column.startswith(beginning, autoescape=True)


def containing(connection: Connection, column: Column[str], part: str) -> ColumnElement[bool]:
    """True of rows in whose column this part stands, in capitals or not."""
    # SQLite's LIKE does not tell capitals anyway, and lower() takes longer than all the rest of a search.
    return (column.contains if connection.dialect.name == "sqlite" else column.icontains)(part, autoescape=True)


def in_parts(some: Iterable[T]) -> Iterator[list[T]]:
    """These, as many at a time as one statement takes."""
    rest = iter(some)
    while part := list(islice(rest, AT_ONCE)):
        yield part


def plain(value: T) -> T:
    """The value as every database can store it: NUL characters in text, which PostgreSQL refuses, are written out."""
    return value.replace("\x00", "\\u0000") if isinstance(value, str) else value  # type: ignore[return-value]


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every value made `plain`. Checked inline first, because nearly all values are plain and there are many."""
    return {name: plain(value) if value.__class__ is str and "\x00" in value else value for name, value in row.items()}


def now_us() -> int:
    """This instant in UTC microseconds."""
    return time.time_ns() // 1000


def server_us(connection: Connection) -> int:
    """This instant by the database's clock, which all machines share: on SQLite it is this machine's."""
    if connection.dialect.name != "postgresql":
        return now_us()
    # Not now(): that is when the transaction began.
    return int(connection.exec_driver_sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").scalar_one())


def instant(connection: Connection) -> datetime:
    """This instant by the database's clock, as `server_us`, for people and contracts."""
    return from_us(server_us(connection))


def to_us(instant: datetime) -> int:
    """An aware instant in UTC microseconds."""
    # In integers: `timestamp()` is a float, which loses microseconds.
    whole = instant.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds


def from_us(microseconds: int) -> datetime:
    """UTC microseconds as an aware instant."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)
