"""A declared database and its table of keys, in which every action there has a row, committed together with its effect."""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from activities.actions.adapter import NotSent, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.resources.databases import SECONDS, open_sqlite, said_by, usable_url
from contracts.effects.targets import SqlTarget

OF_THE_STATEMENT = (IntegrityError, ProgrammingError, DataError)
"""What a database says of a statement or its values: it would say the same the next time."""


class Keyed(Protocol):
    """Arguments with a row in the table of keys."""

    @property
    def target(self) -> str:
        """Which [targets.NAME]."""
        ...

    def key(self) -> str:
        """The business key."""
        ...

    def identity(self) -> str:
        """Digest of the arguments."""
        ...

    @property
    def event(self) -> str:
        """What it stands for, for people."""
        ...


@contextlib.contextmanager
def opened(targets: Targets, name: str, target: SqlTarget, seconds: int = SECONDS) -> Iterator[Connection]:
    """A connection in a transaction, which is undone unless it is committed. Raises `NotSent` if there is none.

    Its statements may take `seconds` each, in SQLite together.
    """
    url = target.url.get_secret_value() or targets.secret(name, target.url_env, target.url_file)
    engine = _engine(usable_url(f"[targets.{name}]", url), seconds)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        # Nothing is committed before `commit`, which says itself that it may have been.
        raise NotSent(f"the database {name} cannot be used: {said_by(error)}") from None
    finally:
        engine.dispose()


def prepare(connection: Connection, table: str) -> None:
    """Make the table of the keys, where it is missing."""
    columns = (
        "key varchar(64) primary key, arguments varchar(64) not null, at varchar(40) not null, reference varchar(200) not null"
    )
    try:
        # Looked at first: a role that may not make tables can use one that is there.
        with connection.begin_nested():
            connection.execute(text(f"select 1 from {table} where 1 = 0"))  # noqa: S608 (a name of the settings)
            return
    except (OperationalError, ProgrammingError):
        pass
    try:
        connection.execute(text(f"create table if not exists {table} ({columns})"))
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        raise NotSent(f"the table {table} of the keys is not there and cannot be made: {said_by(error)}") from None


def row_of(connection: Connection, table: str, wanted: Keyed) -> str | None:
    query = text(f"select arguments, reference from {table} where key = :key")  # noqa: S608 (a name of the settings)
    row = connection.execute(query, {"key": wanted.key()}).first()
    if row is None:
        return None
    if row[0] != wanted.identity():
        raise TargetRefused(f"{wanted.target} has executed {wanted.event} with other values: {row[1]}")
    return str(row[1])


def claimed(connection: Connection, table: str, wanted: Keyed, when: datetime) -> str | None:
    """Write the row of the key. Returns None, or the reference if it was there, also from a transaction just over."""
    insert = text(
        f"insert into {table} (key, arguments, at, reference) values (:key, :arguments, :at, '') on conflict do nothing"  # noqa: S608
    )
    row = {"key": wanted.key(), "arguments": wanted.identity(), "at": when.astimezone(UTC).isoformat()}
    return None if connection.execute(insert, row).rowcount == 1 else row_of(connection, table, wanted)


def looked_up(targets: Targets, wanted: Keyed) -> str | None:
    """Ask the target now: the reference in the row of the key; None if there is none."""
    target = targets.get(wanted.target, SqlTarget)
    with opened(targets, wanted.target, target) as connection:
        prepare(connection, target.table)
        return row_of(connection, target.table, wanted)


def commit(connection: Connection, table: str, wanted: Keyed, what: str, reference: str) -> str:
    """Commit the effect with its reference in the row of the key, and return that. `what` names the effect in errors.

    Raises `TargetRefused` for a rule that the database checks only now, and `Unclear` where it may be committed or not.
    """
    mark = text(f"update {table} set reference = :reference where key = :key")  # noqa: S608 (a name of the settings)
    connection.execute(mark, {"reference": reference, "key": wanted.key()})
    try:
        connection.commit()
    except OF_THE_STATEMENT as error:
        raise TargetRefused(f"{wanted.target} refused {what}: {said_by(error)}") from None
    except SQLAlchemyError as error:
        raise Unclear(f"the database {wanted.target} did not confirm the commit: {said_by(error)}") from None
    return reference


def of_the_statement(error: DBAPIError) -> bool:
    # SQLite says an operational error of a wrong statement, too, under the code of errors that are no other.
    wrong = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return wrong or isinstance(error, OF_THE_STATEMENT)


def _engine(url: URL, seconds: int) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine("sqlite://", creator=lambda: _sqlite(url, seconds), poolclass=NullPool, hide_parameters=True)
        # The driver would begin only before the first change: what was looked at before could be outdated by then.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    options = f"-c statement_timeout={seconds * 1000} -c lock_timeout={seconds * 1000}"
    arguments = {"connect_timeout": 10, "options": options}
    return create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)


def _sqlite(url: URL, seconds: int) -> sqlite3.Connection:
    connection = open_sqlite(url, "rw", seconds)
    connection.isolation_level = None  # transactions are begun by us
    return connection
