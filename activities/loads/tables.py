"""Rows of a batch go into their table, each once, in one transaction with what the target's own book says of the batch."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from activities.actions.adapter import NotSent
from activities.actions.sql_book import of_the_statement
from activities.loads.mapped import Mapped
from activities.loads.staging import STAGED, TEXTUAL, TableUnusable, columns_of, quoted, stage, unstage
from activities.loads.values import Broken
from activities.resources.databases import said_by
from contracts.errors import BatonError
from contracts.load import Counts, Rule
from contracts.tables import LoadPlan

TRIES = 200
"""Most rows of a batch that the database itself cannot read, each of which costs another try."""

_INDEX = text(f"create index temp.baton_staged_line on {STAGED} (baton_line)")

_WHERE = re.compile(r"line (\d+)(?:, column (\w+))?")


class Mismatch(BatonError):
    """The table has not what was put into it. Nothing of the batch is kept; look at the table's triggers and rules."""


def put(connection: Connection, plan: LoadPlan, mapped: Mapped) -> tuple[Mapped, int, int]:
    """Insert the rows that are fine; returns the batch with what the table refused, how many were new, how many were there.

    A row whose key is there with the same values is a duplicate; with other values it breaks a rule. Afterwards every row that
    counts as loaded or duplicate was found in the table by a query. Raises `Mismatch` if one was not.
    """
    mapped = _staged(connection, plan, mapped)
    for find in (_orphans, _shared):
        mapped = _apart(connection, mapped, find(connection, plan, mapped))
    inserted, refused = _inserted(connection, plan, mapped)
    mapped = _apart(connection, mapped, refused)
    differing, missing = _compared(connection, plan, mapped)
    found = len(mapped.at) - len(differing) - missing
    if missing or found < inserted:
        what = f"{missing} of them are not in it" if missing else f"{inserted - found} of them have other values in it"
        raise Mismatch(
            f"{len(mapped.at)} rows were put into {plan.into}, and {what}: a trigger, a rule or a row policy changes or "
            "drops them. Nothing of this batch was kept"
        )
    return mapped.without(differing), inserted, found - inserted


def _staged(connection: Connection, plan: LoadPlan, mapped: Mapped) -> Mapped:
    # Imported here: every worker is ready for loads, and most never make one.
    import psycopg

    for _ in range(TRIES):
        try:
            with connection.begin_nested():
                stage(connection, plan.into, mapped.at, mapped.columns)
            return mapped
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            where = _WHERE.search(error.diag.context or "")
            if where is None:
                raise TableUnusable(f"{plan.into} does not take the rows: {error.diag.message_primary}") from None
            at, column = mapped.at[int(where[1]) - 1], where[2] or ""
            value = mapped.columns[column][int(where[1]) - 1] if column in mapped.columns else None
            mapped = mapped.without([Broken(at, column, "table", value, f"the database says: {error.diag.message_primary}")])
        except psycopg.Error as error:
            raise NotSent(f"the rows could not be sent: {str(error).splitlines()[0]}") from None
    raise TableUnusable(f"{plan.into} cannot read {TRIES} rows of one batch; compare its types with its contract")


def _apart(connection: Connection, mapped: Mapped, broken: Sequence[Broken]) -> Mapped:
    """Take rows out, here and in the temporary table."""
    if not broken:
        return mapped
    unstage(connection, [one.at for one in broken])
    return mapped.without(broken)


def _orphans(connection: Connection, plan: LoadPlan, mapped: Mapped) -> list[Broken]:
    """Rows that name a row of another table which is not there."""
    found: list[Broken] = []
    for column, reference in plan.references.items():
        table, _, there = reference.rpartition(".")
        if column not in mapped.columns:
            continue
        own = f' and not exists (select 1 from {STAGED} o where o."{there}" = s."{column}")' if table == plan.into else ""  # noqa: S608
        rows = connection.execute(
            text(
                f'select s.baton_line from {STAGED} s where s."{column}" is not null and not exists '  # noqa: S608 (names of the settings)
                f'(select 1 from {table} p where p."{there}" = s."{column}"){own} order by 1'
            )
        )
        found += [_broken(mapped, row[0], column, "reference", f"{table} has no row with this {there}") for row in rows]
    return _first(found)


def _shared(connection: Connection, plan: LoadPlan, mapped: Mapped) -> list[Broken]:
    """Rows that share with another row what no two rows may share."""
    found: list[Broken] = []
    for columns in plan.unique:
        if not set(columns) <= mapped.columns.keys():
            continue
        same = " and ".join(f's."{one}" = o."{one}"' for one in columns)
        other = " or ".join(f's."{one}" <> o."{one}"' for one in plan.key)
        where = (
            (plan.into, "", "the table has another row with it"),
            (STAGED, "o.baton_line < s.baton_line and", "an earlier row has it"),
        )
        for table, before, why in where:
            query = f"select distinct s.baton_line from {STAGED} s join {table} o on {same} where {before} ({other}) order by 1"  # noqa: S608
            found += [_broken(mapped, row[0], columns[0], "unique", why) for row in connection.execute(text(query))]
    return _first(found)


def _first(found: Sequence[Broken]) -> list[Broken]:
    return list({one.at: one for one in reversed(found)}.values())


def _broken(mapped: Mapped, at: int, column: str, rule: str, why: str) -> Broken:
    return Broken(at, column, rule, mapped.value(column, at), why)


def _inserted(connection: Connection, plan: LoadPlan, mapped: Mapped) -> tuple[int, list[Broken]]:
    """How many rows are new, and those that the table refuses: found by halving what it refuses as a whole."""
    names = ", ".join(quoted(list(mapped.columns)))
    key = ", ".join(quoted(plan.key))
    insert = text(
        f"insert into {plan.into} ({names}) select {names} from {STAGED} "  # noqa: S608 (names of the settings)
        f"where baton_line between :first and :last order by baton_line on conflict ({key}) do nothing"
    )
    postgresql = connection.dialect.name != "sqlite"
    new, refused, waiting = 0, list[Broken](), [(0, len(mapped.at) - 1)] if mapped.at else []
    while waiting:
        first, last = waiting.pop()
        try:
            with connection.begin_nested():
                new += connection.execute(insert, {"first": mapped.at[first], "last": mapped.at[last]}).rowcount
        except DBAPIError as error:
            if not _of_a_row(error):
                raise
            if first == last:
                at = mapped.at[first]
                refused.append(Broken(at, "", "table", _key_of(plan, mapped, at), f"the database says: {said_by(error)}"))
                continue
            if (first, last) == (0, len(mapped.at) - 1):
                connection.execute(text(f"create index on {STAGED} (baton_line)") if postgresql else _INDEX)
            middle = (first + last) // 2
            # The earlier half is done first: of two rows with one key the earlier counts.
            waiting += [(middle + 1, last), (first, middle)]
    return new, refused


def _of_a_row(error: DBAPIError) -> bool:
    """True if another row could be taken: a constraint, a value, or a trigger that raises (P0) or a view's check (44)."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return isinstance(error, IntegrityError | DataError) or state[:2] in ("P0", "44")


@contextmanager
def refusing(table: str) -> Iterator[None]:
    """What the database says of the table itself, such as a missing right, is for good; the rest may be over in a moment."""
    try:
        yield
    except DBAPIError as error:
        if not of_the_statement(error):
            raise
        raise TableUnusable(f"{table} cannot be loaded into: {said_by(error)}") from None


def _key_of(plan: LoadPlan, mapped: Mapped, at: int) -> str:
    return ", ".join(f"{name} {mapped.value(name, at)}" for name in plan.key)


def _compared(connection: Connection, plan: LoadPlan, mapped: Mapped) -> tuple[list[Broken], int]:
    """Rows that the table has with other values, and how many it has not at all."""
    types = columns_of(connection, plan.into)
    textual = connection.dialect.name != "sqlite"
    casts = {name: "::text" if textual and types[name].type in TEXTUAL else "" for name in mapped.columns}
    others = [name for name in mapped.columns if name not in plan.key]
    apart = "is distinct from" if textual else "is not"
    differs = " or ".join(f's."{name}"{casts[name]} {apart} t."{name}"{casts[name]}' for name in others)
    on = " and ".join(f's."{name}" = t."{name}"' for name in plan.key)
    shown = "".join(f', t."{name}"' for name in others)
    query = (
        f'select s.baton_line, t."{plan.key[0]}"{shown} from {STAGED} s left join {plan.into} t on {on} '  # noqa: S608 (names of the settings)
        f'where t."{plan.key[0]}" is null{f" or {differs}" if differs else ""} order by 1'
    )
    broken, missing = list[Broken](), 0
    for row in connection.execute(text(query)):
        if row[1] is None:
            missing += 1
            continue
        mine = {name: mapped.value(name, row[0]) for name in others}
        there = {name: row[2 + number] for number, name in enumerate(others)}
        said = [
            f"{name} {there[name]!s:.60} and not {mine[name]!s:.60}" for name in others if str(there[name]) != str(mine[name])
        ]
        why = f"the table has a row with this key and other values: {', '.join(said[:3]) or 'see it'}"
        broken.append(Broken(row[0], plan.key[0], "key", _key_of(plan, mapped, row[0]), why))
    return broken, missing


# The book of batches: one row for each, committed with the batch's rows.


def prepare_book(connection: Connection, book: str) -> None:
    """Make the book, where it is missing. Raises `TableUnusable` without the right to."""
    try:
        with connection.begin_nested():
            connection.execute(text(f"select 1 from {book} where 1 = 0"))  # noqa: S608 (a name of the settings)
            return
    except SQLAlchemyError:
        pass
    columns = (
        "load varchar(64) not null, number integer not null, line integer not null, row_count integer not null, "
        "loaded integer not null, duplicates integer not null, quarantined integer not null, quarantine varchar(64) not null, "
        "rules text not null, last text not null, at varchar(40) not null, primary key (load, number)"
    )
    try:
        connection.execute(text(f"create table if not exists {book} ({columns})"))
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        raise TableUnusable(f"the table {book} of the batches is not there and cannot be made: {said_by(error)}") from None


def claimed(connection: Connection, book: str, load: str, number: int, line: int) -> Counts | None:
    """Write the batch's row. None: it is ours to load; otherwise what it came to when it was loaded."""
    insert = text(
        f"insert into {book} values (:load, :number, :line, 0, 0, 0, 0, '', '[]', '', :at) on conflict do nothing"  # noqa: S608
    )
    row = {"load": load, "number": number, "line": line, "at": datetime.now(UTC).isoformat()}
    if connection.execute(insert, row).rowcount == 1:
        return None
    found = connection.execute(text(f"select * from {book} where load = :load and number = :number"), row).one()  # noqa: S608
    return _counts(found)


def _counts(row: Any) -> Counts:
    rules = tuple(Rule.model_validate(one) for one in json.loads(row.rules))
    numbers = {"loaded": row.loaded, "duplicates": row.duplicates, "quarantined": row.quarantined}
    return Counts(rows=row.row_count, rules=rules, quarantine=(row.quarantine,) if row.quarantine else (), **numbers)


def last_before(connection: Connection, book: str, load: str, number: int) -> dict[str, str]:
    """Where the columns that never go down stood at the end of the batch before."""
    query = text(f"select last from {book} where load = :load and number = :number")  # noqa: S608 (a name of the settings)
    found = connection.execute(query, {"load": load, "number": number - 1}).scalar()
    return dict(json.loads(found)) if found else {}


def book_batch(connection: Connection, book: str, load: str, number: int, counts: Counts, last: dict[str, str]) -> None:
    """Write what became of the batch's rows into its row."""
    update = text(
        f"update {book} set row_count = :row_count, loaded = :loaded, duplicates = :duplicates, quarantined = :quarantined, "  # noqa: S608
        "quarantine = :quarantine, rules = :rules, last = :last where load = :load and number = :number"
    )
    said = counts.model_dump(include={"loaded", "duplicates", "quarantined"})
    rules = json.dumps([one.model_dump() for one in counts.rules])
    kept = {"quarantine": "".join(counts.quarantine[:1]), "rules": rules, "last": json.dumps(last), "row_count": counts.rows}
    connection.execute(update, said | kept | {"load": load, "number": number})


def booked(connection: Connection, book: str, load: str) -> tuple[Counts, int]:
    """What the book says of a load, by one query for the sums; and how many batches it has."""
    query = f"select * from {book} where load = :load order by number"  # noqa: S608 (a name of the settings)
    whole, batches = Counts(), 0
    for row in connection.execute(text(query), {"load": load}):
        whole, batches = whole.with_(_counts(row)), batches + 1
    sums = text(
        "select coalesce(sum(row_count), 0), coalesce(sum(loaded), 0), coalesce(sum(duplicates), 0), "  # noqa: S608
        f"coalesce(sum(quarantined), 0) from {book} where load = :load"
    )
    rows, loaded, duplicates, quarantined = connection.execute(sums, {"load": load}).one()
    numbers = {"rows": int(rows), "loaded": int(loaded), "duplicates": int(duplicates), "quarantined": int(quarantined)}
    return whole.model_copy(update=numbers), batches
