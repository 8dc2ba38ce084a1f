"""How a file or a table differs from a declared table, and the statements that would take each difference back."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from activities.actions.declared import Targets
from activities.actions.sql_book import opened
from activities.loads.differing import LONGEST, Pair, Values, found
from activities.loads.examining import SECONDS, Table, table_at
from activities.loads.mapped import apply
from activities.loads.records import rows_of
from activities.loads.sources import Sources
from activities.loads.staging import STAGED, TableUnusable, stage
from activities.resources.databases import said_by
from contracts.base import canonical
from contracts.effects.sql_execute import SqlExecute, Value
from contracts.effects.targets import Kind, SqlTarget
from contracts.errors import Refused
from contracts.intents import Intent
from contracts.load_input import LoadInput
from contracts.reconcile import Correction, Difference, Reconciled
from contracts.tables import LoadPlan, TableColumn, TableSetting

SHOWN = 50
"""Most differences that a report lists, or that are corrected in one run."""

WHOLE = "baton_compared"
NUMBERS = ("integer", "decimal", "number")

Found = list[tuple[Difference, Values]]


@dataclass(frozen=True)
class Mending:
    """The table that corrections are for, and what tells one event from another."""

    at: str
    target: SqlTarget
    table: str
    setting: TableSetting
    columns: tuple[TableColumn, ...]
    stamp: str
    """The same difference in another file, or in another run over tables, is another correction."""


def differences(sources: Sources, targets: Targets, plan: LoadPlan, asked: LoadInput) -> tuple[int, int, Found]:
    """Rows of the file that are compared with the table, rows that break a rule, and the differences. Changes nothing."""
    compared, bad = 0, 0
    names = tuple(one.to for one in plan.mapping.columns)
    key = _key(asked, plan.key, names)
    own = tuple(name for name in plan.key if name not in key)
    pair = Pair(WHOLE, plan.into, names, key, _numbers(asked, plan.columns), own)
    with sources.lines(plan.source) as file, _reading(targets, plan.target) as connection:
        stage(connection, plan.into, [], {name: [] for name in names})
        connection.execute(text(f"create temporary table {WHOLE} as select * from {STAGED}"))  # noqa: S608
        for batch in plan.batches:
            mapped = apply(plan, rows_of(file, plan.source, plan.header, batch), {})
            compared, bad = compared + len(mapped.at), bad + len(mapped.broken)
            stage(connection, plan.into, mapped.lines, mapped.columns)
            connection.execute(text(f"insert into {WHOLE} select * from {STAGED}"))  # noqa: S608 (names of ours)
        return compared, bad, list(found(connection, pair))


def tables_differ(targets: Targets, asked: LoadInput, table: Table) -> tuple[int, Found]:
    """Rows of the left table, and how it differs from `table`, of the same target. Changes nothing."""
    at, name = asked.at
    left = table_at(targets, at, asked.reconcile_table or "")
    known = {one.name for one in left.columns}
    common = tuple(one for one in table.columns if one.name in known)
    names = tuple(one.name for one in common)
    key = _key(asked, table.setting.key, names)
    own = tuple(one for one in table.setting.key if one not in key)
    words = (f"table {asked.reconcile_table}", f"table {name}")
    numbers, kinds = _numbers(asked, common), ("only_in_left", "only_in_right")
    pair = Pair(left.setting.table, table.setting.table, names, key, numbers, own, (False, False), words, kinds)  # type: ignore[arg-type]  # two of its kinds
    with _reading(targets, at) as connection:
        rows = connection.execute(text(f"select count(*) from {pair.left}")).scalar_one()  # noqa: S608 (a name of the settings)
        return int(rows), list(found(connection, pair))


@contextmanager
def _reading(targets: Targets, name: str) -> Iterator[Connection]:
    """A transaction at the target that is undone. Raises `TableUnusable` for columns that it cannot compare."""
    with opened(targets, name, targets.get(name, SqlTarget), SECONDS) as connection:
        try:
            yield connection
        except ProgrammingError as error:
            raise TableUnusable(f"the two sides cannot be compared: {said_by(error)}") from None
        finally:
            connection.rollback()


def _key(asked: LoadInput, own: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    key = asked.key_columns() or own
    if missing := [name for name in key if name not in names]:
        raise Refused(f"key: {', '.join(missing)} is not on both sides; these are: {', '.join(names)}"[:2000])
    return key


def _numbers(asked: LoadInput, columns: Sequence[TableColumn]) -> dict[str, Decimal]:
    """How far numbers may be apart, by column."""
    numbers, apart = [one.name for one in columns if one.type in NUMBERS], asked.apart()
    if wrong := sorted(set(apart) - set(numbers)):
        raise Refused(
            f"tolerances: {', '.join(wrong)} is no number that is compared; these are: {', '.join(numbers) or 'none'}"
        )
    whole = dict.fromkeys(numbers, asked.tolerance) if asked.tolerance else {}
    return whole | apart


def summed_up(mending: Mending, compared: int, bad: int, everything: Found) -> Reconciled:
    """What a report lists, with the correction of each listed difference that has one."""
    shown = everything[:SHOWN]
    # A row of the file that cannot be read may be the one that the table seems to have alone: nothing is removed for it.
    known = [(one, row) for one, row in shown if not (bad and one.kind == "only_in_table")]
    corrections = (_correction(mending, one, row) for one, row in known)
    return Reconciled(
        compared=compared,
        bad=bad,
        differences=tuple(one for one, _ in shown),
        more=max(len(everything) - SHOWN, 0),
        corrections=tuple(one for one in corrections if one is not None),
    )


def _correction(mending: Mending, one: Difference, row: Values) -> Correction | None:
    by = mending.setting.corrections
    inserts, deletes = by.insert, by.delete
    name = {
        **{"only_in_file": inserts, "only_in_left": inserts, "only_in_table": deletes, "only_in_right": deletes},
        **{"values": by.update, "duplicate": None},
    }[one.kind]
    if name is None:
        return None
    statement = mending.target.statements[name]
    # What nobody compared is not known: only a new row may do without a value, where its column may.
    optional = {column.name for column in mending.columns if not column.required} if name == inserts else set()
    if any(wanted not in row and wanted not in optional for wanted in statement.parameters):
        return None
    if any(len(row.get(wanted) or "") > LONGEST for wanted in statement.parameters):
        return None
    values = {wanted: _typed(row.get(wanted), kind) for wanted, kind in statement.parameters.items()}
    event = f"reconcile/{mending.table}/{'/'.join(one.key.values())[:80]}/{one.kind}/{mending.stamp[:16]}"
    action = SqlExecute(target=mending.at, event=event, statement=name, values=values)
    about = f"{statement.about}: {one.said()}"[:500]
    # Target and statement are named by the input and the settings; the values are what the file says.
    intent = Intent.of("sql.execute", action, about, fixed=("target", "statement"))
    return Correction(intent=intent, arguments=action.stored().decode(), facts=(one.said(), " ".join(statement.sql.split())))


def _typed(value: str | None, kind: Kind) -> Value:
    if value is None or kind in ("text", "decimal"):
        return value
    return int(value) if kind == "integer" else value in ("1", "True", "true")


def as_json(everything: Found) -> bytes:
    """All differences, one JSON object a line; `row` has the left side's values where that side alone has the row."""
    whole = (
        one.model_dump(mode="json") | ({"row": row} if one.kind in ("only_in_file", "only_in_left") else {})
        for one, row in everything
    )
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in whole)


def written(found: Iterable[Correction]) -> bytes:
    """What these corrections would write, as their arguments have it: one JSON object a line."""
    return b"".join(canonical(json.loads(one.arguments)["values"]) + b"\n" for one in found)
