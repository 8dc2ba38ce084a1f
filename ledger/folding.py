"""Keeps the figures of run families that have changed, so that who asks for figures need not read their rows; compares both.

Triggers mark a family in the transaction that changes it (`ledger.migrations.figures_triggers`), and its figures are read from
its rows until they are kept again. So nothing is added up while calls are paid for, and no two of them wait for each other.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, or_, select, union

from ledger.db import in_parts, insert_each_once, rows_with, server_us
from ledger.figures.charges import SUMMED, Sums, charges_of
from ledger.figures.families import Family, families_of
from ledger.figures.period import Period, day_of
from ledger.figures.quality import bodies
from ledger.tables import figures_changed, kept_figures, kept_spending, reservation, run, turn

AT_ONCE = 20
"""Families of one transaction: calls wait for it on SQLite."""

ROUND = 400
"""Most families of a round."""

QUIET_US = 60_000_000
"""A run that goes on is kept once its state has not changed for so long: each change after that is worth nothing."""

_EVER = Period(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))

_KEEPERS = 7120452
"""The key of the advisory locks, as in the triggers."""


class Row(NamedTuple):
    """What is kept of a family, or would be: the rows of `kept_figures` and of `kept_spending`, as far as they are there."""

    figures: dict[str, Any]
    spending: list[dict[str, Any]]


def changed(connection: Connection, after: str = "", limit: int = AT_ONCE) -> list[str]:
    """Traces of families whose figures are to be kept, in order, above `after`. Those of runs that just went on are left."""
    mark = figures_changed.c.trace
    quiet = or_(run.c.trace.is_(None), run.c.ended_at.is_not(None), run.c.updated_at < server_us(connection) - QUIET_US)
    query = select(mark).outerjoin(run, run.c.trace == mark).where(mark > after, quiet).distinct().order_by(mark).limit(limit)
    return list(connection.execute(query).scalars())


def fold(connection: Connection, traces: Sequence[str]) -> int:
    """Keep the figures of these families as they are now, and say how many were kept.

    Safe to call twice and beside calls; one of which something is changed or kept at this moment is left as it is.
    """
    mine = [trace for trace in traces if _alone(connection, trace)]
    made = computed(connection, mine)
    for table in (figures_changed, kept_figures, kept_spending):
        for some in in_parts(mine):
            connection.execute(delete(table).where(table.c.trace.in_(some)))
    if made:
        connection.execute(insert(kept_figures), [one.figures for one in made.values()])
    if spending := [row for one in made.values() for row in one.spending]:
        connection.execute(insert(kept_spending), spending)
    return len(mine)


def computed(connection: Connection, traces: Sequence[str]) -> dict[str, Row]:
    """What is to be kept of these families, by trace, from their rows. One without turns and reservations has nothing."""
    families = [one for one in families_of(connection, traces) if one.turns or one.reservations]
    figures = bodies(connection, families, _EVER)
    return {one.trace: Row(_figures(one, figures[one.trace]), _spending(one)) for one in families}


def kept_rows(connection: Connection, traces: Sequence[str]) -> dict[str, Row]:
    """What is kept of these families, by trace."""
    figures = rows_with(connection, select(kept_figures), kept_figures.c.trace, traces)
    found = {row.trace: Row(dict(row._mapping), []) for row in figures}
    for row in rows_with(connection, select(kept_spending), kept_spending.c.trace, traces):
        found.setdefault(row.trace, Row({}, [])).spending.append(dict(row._mapping))
    return found


class Compared(NamedTuple):
    """Some families: the last one looked at ("": there are no more), and those of which something is not as their rows have it.

    `right` are as their rows have them; `marked` are read from their rows anyway, or are being changed.
    """

    last: str
    wrong: list[str]
    right: int
    marked: int


def compare(connection: Connection, after: str = "", limit: int = 10 * AT_ONCE) -> Compared:
    """Compare what is kept of the families above `after`, in order, with their rows."""
    sources = (select(one.c.trace).where(one.c.trace > after) for one in (run, turn, reservation, kept_figures, kept_spending))
    every = union(*sources).subquery()
    traces = list(connection.execute(select(every.c.trace).order_by(every.c.trace).limit(limit)).scalars())
    mine = [trace for trace in traces if _alone(connection, trace)]
    marked = {row.trace for row in rows_with(connection, select(figures_changed.c.trace), figures_changed.c.trace, mine)}
    looked = [trace for trace in mine if trace not in marked]
    there, wanted = kept_rows(connection, looked), computed(connection, looked)
    wrong = [trace for trace in looked if not _same(there.get(trace), wanted.get(trace))]
    return Compared(traces[-1] if traces else "", wrong, len(looked) - len(wrong), len(traces) - len(looked))


def mark(connection: Connection, traces: Sequence[str]) -> None:
    """Have the figures of these families read from their rows until they are kept again. Safe to call twice."""
    insert_each_once(connection, figures_changed, [{"trace": trace, "nth": 0} for trace in traces])


def _alone(connection: Connection, trace: str) -> bool:
    """True if no other transaction that is open changes or keeps this family, and none can until the end of this one."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(_KEEPERS, func.hashtext(trace)))).scalar_one())


def _figures(family: Family, body: str) -> dict[str, Any]:
    instants = [row.at for row in family.turns] + [row.at for row in family.reservations]
    project = family.run.project if family.run is not None else ""
    return {"trace": family.trace, "first_at": min(instants), "last_at": max(instants), "project": project, "body": body}


def _spending(family: Family) -> list[dict[str, Any]]:
    sums: dict[tuple[str, ...], Sums] = defaultdict(Sums)
    for charge in charges_of(family):
        sums[day_of(charge.at), charge.agent, charge.model, charge.project, charge.run, charge.pipeline].add(charge)
    names = ("day", "agent", "model", "project", "run", "pipeline")
    return [{"trace": family.trace, **dict(zip(names, key, strict=True)), **one.summed} for key, one in sums.items()]


def _same(one: Row | None, other: Row | None) -> bool:
    if one is None or other is None:
        return one is other
    return _plain(one) == _plain(other)


def _plain(row: Row) -> tuple[dict[str, Any], list[list[tuple[str, Any]]]]:
    body = json.loads(row.figures.get("body", "{}"))
    return row.figures | {"body": body}, _sorted(row.spending)


def _sorted(spending: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted(sorted(row.items()) for row in spending)


assert set(SUMMED) <= set(kept_spending.c.keys()), "every sum has a column"
