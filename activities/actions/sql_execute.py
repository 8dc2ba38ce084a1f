"""The adapter of `sql.execute`: a declared statement and its key, in one transaction of the target's own database."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from activities.actions.adapter import NotSent, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.resources.databases import SECONDS, open_sqlite, said_by, usable_url
from contracts.actions import Receipt
from contracts.effects.sql_execute import SqlExecute, Value
from contracts.effects.targets import Kind, SqlTarget, StatementSetting
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.intents import Arguments

_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")

OF_THE_STATEMENT = (IntegrityError, ProgrammingError, DataError)
"""What a database says of a statement or its values: it would say the same the next time."""


class SqlExecuteAdapter:
    """Finds what was done by the row of its key: statement and row are committed together, or neither is.

    The table of the keys is made where it is missing. A second sender waits at the row of the first, and then finds it.
    """

    permanent: tuple[type[BatonError], ...] = (TargetRefused, Refused, Misconfigured, ContractViolation)

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """What the statement does, and its text."""
        wanted = SqlExecute.read(arguments)
        target = self._targets.get(wanted.target, SqlTarget)
        setting = _statement(wanted, target)
        _converted(wanted, setting)
        rows = (f"it must change {setting.rows} rows, or it is undone",) if setting.rows is not None else ()
        values = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in wanted.values.items())
        return (f"{wanted.statement}: {setting.about}", " ".join(setting.sql.split()), values or "no values", *rows)

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """The statement that this one names as `undo`, with the same values, as an event of its own."""
        del receipt
        done = SqlExecute.read(arguments)
        target = self._targets.get(done.target, SqlTarget)
        undo = _statement(done, target).undo
        if undo is None:
            return None
        values = {name: value for name, value in done.values.items() if name in target.statements[undo].parameters}
        return SqlExecute(target=done.target, event=f"undo {done.event}"[:200], statement=undo, values=values)

    def find(self, arguments: bytes) -> str | None:
        """Look for the row of the key."""
        wanted = SqlExecute.read(arguments)
        target = self._targets.get(wanted.target, SqlTarget)
        with self._open(wanted.target, target) as connection:
            _prepare(connection, target.table)
            return _row(connection, target.table, wanted)

    def send(self, arguments: bytes, when: datetime) -> str:
        """Execute it, or find that it was executed meanwhile. The reference says how many rows it changed."""
        wanted = SqlExecute.read(arguments)
        target = self._targets.get(wanted.target, SqlTarget)
        setting = _statement(wanted, target)
        values = _converted(wanted, setting)
        with self._open(wanted.target, target) as connection:
            _prepare(connection, target.table)
            if (there := _claimed(connection, target.table, wanted, when)) is not None:
                return there
            rows = _executed(connection, wanted, setting, values)
            reference = f"{wanted.statement}: {rows} rows"
            mark = text(f"update {target.table} set reference = :reference where key = :key")  # noqa: S608 (a name of the settings)
            connection.execute(mark, {"reference": reference, "key": wanted.key()})
            try:
                connection.commit()
            except OF_THE_STATEMENT as error:  # a rule that is checked only now
                raise TargetRefused(f"{wanted.target} refused {wanted.statement}: {said_by(error)}") from None
            except SQLAlchemyError as error:
                raise Unclear(f"the database {wanted.target} did not confirm the commit: {said_by(error)}") from None
            return reference

    @contextlib.contextmanager
    def _open(self, name: str, target: SqlTarget) -> Iterator[Connection]:
        """A connection in a transaction, which is undone unless it is committed. Raises `NotSent` if there is none."""
        url = target.url.get_secret_value() or self._targets.secret(name, target.url_env, target.url_file)
        engine = _engine(usable_url(f"[targets.{name}]", url))
        try:
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            # Nothing is committed before `commit`, which says itself that it may have been.
            raise NotSent(f"the database {name} cannot be used: {said_by(error)}") from None
        finally:
            engine.dispose()


def _statement(wanted: SqlExecute, target: SqlTarget) -> StatementSetting:
    found = target.statements.get(wanted.statement)
    if found is None:
        there = ", ".join(sorted(target.statements))
        raise Refused(f"the target {wanted.target} declares no statement {wanted.statement!r}; it has {there}")
    names = set(text(found.sql).compile().params)
    if names != set(found.parameters):
        table = f"[targets.{wanted.target}.statements.{wanted.statement}]"
        declared = ", ".join(sorted(found.parameters)) or "no parameters"
        raise Misconfigured(f"{table} declares {declared}, and its sql has {', '.join(sorted(names)) or 'none'}")
    return found


def _converted(wanted: SqlExecute, setting: StatementSetting) -> dict[str, Any]:
    """The values as the database gets them. Raises `Refused` for one that is missing, is too much, or has another type."""
    if wanted.values.keys() != setting.parameters.keys():
        raise Refused(
            f"{wanted.statement} takes {', '.join(sorted(setting.parameters)) or 'no values'}; "
            f"got {', '.join(sorted(wanted.values)) or 'none'}"
        )
    return {name: _value(name, wanted.values[name], kind) for name, kind in setting.parameters.items()}


def _value(name: str, value: Value, kind: Kind) -> Any:
    if value is None:
        return None
    if kind == "decimal":
        if isinstance(value, bool) or not _DECIMAL.fullmatch(str(value)):
            raise Refused(f'{name} is a decimal, such as "12.50"; got {json.dumps(value)[:80]}')
        return str(value)
    fits = {"text": isinstance(value, str), "boolean": isinstance(value, bool)}
    # True is an integer for Python, and not for whoever declared one.
    if not fits.get(kind, isinstance(value, int) and not isinstance(value, bool)):
        raise Refused(f"{name} is declared as {kind}; got {json.dumps(value)[:80]}")
    return value


def _prepare(connection: Connection, table: str) -> None:
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


def _row(connection: Connection, table: str, wanted: SqlExecute) -> str | None:
    query = text(f"select arguments, reference from {table} where key = :key")  # noqa: S608 (a name of the settings)
    row = connection.execute(query, {"key": wanted.key()}).first()
    if row is None:
        return None
    if row[0] != wanted.identity():
        raise TargetRefused(f"{wanted.target} has executed {wanted.event} with other values: {row[1]}")
    return str(row[1])


def _claimed(connection: Connection, table: str, wanted: SqlExecute, when: datetime) -> str | None:
    """Write the row of the key. Returns None, or the reference if it was there, also from a transaction just over."""
    insert = text(
        f"insert into {table} (key, arguments, at, reference) values (:key, :arguments, :at, '') on conflict do nothing"  # noqa: S608
    )
    row = {"key": wanted.key(), "arguments": wanted.identity(), "at": when.astimezone(UTC).isoformat()}
    return None if connection.execute(insert, row).rowcount == 1 else _row(connection, table, wanted)


def _executed(connection: Connection, wanted: SqlExecute, setting: StatementSetting, values: dict[str, Any]) -> int:
    try:
        rows = connection.execute(text(setting.sql), values).rowcount
    except DBAPIError as error:
        connection.rollback()
        if not _of_the_statement(error):
            raise
        raise TargetRefused(f"{wanted.target} refused {wanted.statement}: {said_by(error)}") from None
    if setting.rows is not None and rows != setting.rows:
        connection.rollback()
        raise TargetRefused(f"{wanted.statement} would have changed {rows} rows and not {setting.rows}, so it was undone")
    return rows


def _of_the_statement(error: DBAPIError) -> bool:
    # SQLite says an operational error of a wrong statement, too, under the code of errors that are no other.
    wrong = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return wrong or isinstance(error, OF_THE_STATEMENT)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine("sqlite://", creator=lambda: _opened(url), poolclass=NullPool, hide_parameters=True)
        # The driver would begin only before the first change: what was looked at before could be outdated by then.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    options = f"-c statement_timeout={SECONDS * 1000} -c lock_timeout={SECONDS * 1000}"
    arguments = {"connect_timeout": 10, "options": options}
    return create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)


def _opened(url: URL) -> sqlite3.Connection:
    connection = open_sqlite(url, "rw")
    connection.isolation_level = None  # transactions are begun by us
    return connection
