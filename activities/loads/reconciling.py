"""How a file and its table differ, by queries on the target, and the statements that would take each difference back."""

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from activities.actions.declared import Targets
from activities.actions.sql_book import opened
from activities.loads.examining import SECONDS
from activities.loads.mapped import apply
from activities.loads.records import rows_of
from activities.loads.sources import Sources
from activities.loads.staging import STAGED, quoted, stage
from contracts.base import canonical
from contracts.effects.sql_execute import SqlExecute, Value
from contracts.effects.targets import Kind, SqlTarget
from contracts.intents import Intent
from contracts.reconcile import Cell, Correction, Difference, DifferenceKind, Reconciled
from contracts.tables import LoadPlan, TableSetting

MOST, SHOWN = 10_000, 50
"""Most differences of each kind that are kept, and most that a report lists or that are corrected in one run."""

LONGEST = 2000
"""Most characters of a value that are kept. One that is longer is shown in part, and is never written to the table so."""

WHOLE = "baton_compared"
NUMBERS = ("integer", "decimal", "number")


def differences(
    sources: Sources, targets: Targets, plan: LoadPlan, tolerance: Decimal
) -> tuple[int, int, list[Difference], list[dict[str, str | None]]]:
    """Rows compared, rows that break a rule, the differences, and the file's values of each difference. Changes nothing."""
    compared, bad = 0, 0
    with (
        sources.lines(plan.source) as file,
        opened(targets, plan.target, targets.get(plan.target, SqlTarget), SECONDS) as connection,
    ):
        for number, batch in enumerate(plan.batches):
            mapped = apply(plan, rows_of(file, plan.source, plan.header, batch), {})
            compared, bad = compared + len(mapped.at), bad + len(mapped.broken)
            stage(connection, plan.into, mapped.lines, mapped.columns)
            if number == 0:
                connection.execute(text(f"create temporary table {WHOLE} as select * from {STAGED} where 1 = 0"))  # noqa: S608
            connection.execute(text(f"insert into {WHOLE} select * from {STAGED}"))  # noqa: S608 (names of ours)
        found, values = list[Difference](), list[dict[str, str | None]]()
        for one, row in _found(connection, plan, tolerance) if plan.batches else ():
            found.append(one)
            values.append(row)
        connection.rollback()
    return compared, bad, found, values


def _found(connection: Connection, plan: LoadPlan, tolerance: Decimal) -> Iterator[tuple[Difference, dict[str, str | None]]]:
    sqlite = connection.dialect.name == "sqlite"
    names = [one.to for one in plan.mapping.columns]
    others = [name for name in names if name not in plan.key]
    kinds = {one.name: one.type for one in plan.columns}
    on = " and ".join(f's."{name}" = t."{name}"' for name in plan.key)
    first, order = plan.key[0], ", ".join(quoted(plan.key, "s."))
    apart = " or ".join(_apart(name, kinds[name] in NUMBERS and tolerance > 0, sqlite=sqlite) for name in others)
    mine, theirs = ", ".join(quoted(names, "s.")), ", ".join(quoted(names, "t."))
    left = f"select s.baton_line, {mine}, {theirs} from {WHOLE} s left join {plan.into} t on {on}"  # noqa: S608 (names of the settings)
    queries: list[tuple[DifferenceKind, str]] = [("only_in_file", f'{left} where t."{first}" is null order by {order}')]
    if apart:
        queries.append(("values", f'{left} where t."{first}" is not null and ({apart}) order by {order}'))
    alone = f"select 0, {mine}, {theirs} from {plan.into} t left join {WHOLE} s on {on}"  # noqa: S608
    queries.append(("only_in_table", f'{alone} where s."{first}" is null order by {", ".join(quoted(plan.key, "t."))}'))
    for kind, query in queries:
        for row in connection.execute(
            text(f"{query} limit {MOST}"), {"tolerance": str(tolerance)} if ":tolerance" in query else {}
        ):
            file, table = (
                dict(zip(names, row[1 : 1 + len(names)], strict=True)),
                dict(zip(names, row[1 + len(names) :], strict=True)),
            )
            key = {name: str((table if kind == "only_in_table" else file)[name]) for name in plan.key}
            cells = _cells(others, file, table, kinds, tolerance) if kind == "values" else ()
            yield (
                Difference(kind=kind, key=key, line=row[0], cells=tuple(cells)),
                {name: _said(file[name]) for name in names}
                | ({name: _said(table[name]) for name in plan.key} if kind == "only_in_table" else {}),
            )


def _apart(name: str, tolerant: bool, *, sqlite: bool) -> str:
    differ = f's."{name}" {"is not" if sqlite else "is distinct from"} t."{name}"'
    if not tolerant:
        return f"({differ})"
    number = "" if sqlite else "::numeric"
    near = f'abs(s."{name}"{number} - t."{name}"{number}) <= cast(:tolerance as numeric)'
    return f"({differ} and not coalesce({near}, false))"


def _cells(names: Sequence[str], file: dict[str, Any], table: dict[str, Any], kinds: Any, tolerance: Decimal) -> Iterable[Cell]:
    for name in names:
        mine, theirs = file[name], table[name]
        near = mine == theirs
        if not near and kinds[name] in NUMBERS and mine is not None and theirs is not None:
            near = abs(Decimal(str(mine)) - Decimal(str(theirs))) <= tolerance
        if not near:
            yield Cell(column=name, file=_said(mine), table=_said(theirs))


def _said(value: Any) -> str | None:
    said = None if value is None else str(value)
    return said if said is None or len(said) <= LONGEST else f"{said[:LONGEST]}…"


def summed_up(
    plan: LoadPlan,
    target: SqlTarget,
    setting: TableSetting,
    compared: int,
    bad: int,
    found: Sequence[Difference],
    values: Sequence[dict[str, str | None]],
) -> Reconciled:
    """What a report lists, with the correction of each listed difference that has one."""
    # A row of the file that cannot be read may be the one that the table seems to have alone: nothing is removed for it.
    known = [(one, row) for one, row in zip(found[:SHOWN], values, strict=False) if not (bad and one.kind == "only_in_table")]
    corrections = (_correction(plan, target, setting, one, row) for one, row in known)
    return Reconciled(
        compared=compared,
        bad=bad,
        differences=tuple(found[:SHOWN]),
        more=max(len(found) - SHOWN, 0),
        corrections=tuple(one for one in corrections if one is not None),
    )


def _correction(
    plan: LoadPlan, target: SqlTarget, setting: TableSetting, one: Difference, row: dict[str, str | None]
) -> Correction | None:
    by = setting.corrections
    name = {"only_in_file": by.insert, "values": by.update, "only_in_table": by.delete}[one.kind]
    if name is None:
        return None
    statement = target.statements[name]
    if any(len(row.get(wanted) or "") > LONGEST for wanted in statement.parameters):
        return None
    values = {wanted: _typed(row.get(wanted), kind) for wanted, kind in statement.parameters.items()}
    # The file's digest is in the event: the same difference in another file is another correction.
    event = f"reconcile/{plan.table}/{'/'.join(one.key.values())[:80]}/{one.kind}/{plan.source.digest[:16]}"
    action = SqlExecute(target=plan.target, event=event, statement=name, values=values)
    about = f"{statement.about}: {one.said()}"[:500]
    # Target and statement are named by the input and the settings; the values are what the file says.
    intent = Intent.of("sql.execute", action, about, fixed=("target", "statement"))
    return Correction(intent=intent, arguments=action.stored().decode(), facts=(one.said(), " ".join(statement.sql.split())))


def _typed(value: str | None, kind: Kind) -> Value:
    if value is None or kind in ("text", "decimal"):
        return value
    return int(value) if kind == "integer" else value in ("1", "True", "true")


def as_json(found: Sequence[Difference], rows: Sequence[dict[str, str | None]]) -> bytes:
    """All differences, one JSON object a line; `row` has the file's values where the file alone has the row."""
    whole = (
        one.model_dump(mode="json") | ({"row": row} if one.kind == "only_in_file" else {})
        for one, row in zip(found, rows, strict=True)
    )
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in whole)


def written(found: Iterable[Correction]) -> bytes:
    """What these corrections would write, as their arguments have it: one JSON object a line."""
    return b"".join(canonical(json.loads(one.arguments)["values"]) + b"\n" for one in found)
