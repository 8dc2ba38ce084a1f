"""The adapter of `sql.execute`: a declared statement and its key, in one transaction of the target's own database."""

import json
import re
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from activities.actions.adapter import TargetRefused
from activities.actions.declared import Targets
from activities.actions.sql_book import claimed, commit, looked_up, of_the_statement, opened, prepare
from activities.resources.databases import said_by
from contracts.actions import Receipt
from contracts.effects.sql_execute import SqlExecute, Value
from contracts.effects.targets import Kind, SqlTarget, StatementSetting
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.intents import Arguments

_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")


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
        return looked_up(self._targets, SqlExecute.read(arguments))

    def send(self, arguments: bytes, when: datetime) -> str:
        """Execute it, or find that it was executed meanwhile. The reference says how many rows it changed."""
        wanted = SqlExecute.read(arguments)
        target = self._targets.get(wanted.target, SqlTarget)
        setting = _statement(wanted, target)
        values = _converted(wanted, setting)
        with opened(self._targets, wanted.target, target) as connection:
            prepare(connection, target.table)
            if (there := claimed(connection, target.table, wanted, when)) is not None:
                return there
            rows = _executed(connection, wanted, setting, values)
            return commit(connection, target.table, wanted, wanted.statement, f"{wanted.statement}: {rows} rows")


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


def _executed(connection: Connection, wanted: SqlExecute, setting: StatementSetting, values: dict[str, Any]) -> int:
    try:
        rows = connection.execute(text(setting.sql), values).rowcount
    except DBAPIError as error:
        connection.rollback()
        if not of_the_statement(error):
            raise
        raise TargetRefused(f"{wanted.target} refused {wanted.statement}: {said_by(error)}") from None
    if setting.rows is not None and rows != setting.rows:
        connection.rollback()
        raise TargetRefused(f"{wanted.statement} would have changed {rows} rows and not {setting.rows}, so it was undone")
    return rows
