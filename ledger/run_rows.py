"""A run's row within one transaction: read and locked once, and written once, whatever changes in it."""

import functools
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from ledger.statement import Statement
from ledger.tables import run

_LOCKED = Statement(
    select(run.c.workflow_id, run.c.run_ids, run.c.state, run.c.change_number, run.c.feed_hash)
    .where(run.c.trace == bindparam("of"))
    .with_for_update()
)


@dataclass(slots=True)
class RunRow:
    """What the row had when it was locked, and what `write` will put there, by column."""

    trace: str
    workflow_id: str
    run_ids: str
    state: str
    change_number: int
    feed_hash: str
    """Of the run's last line; "" where it has none yet."""
    values: dict[str, Any] = field(default_factory=dict)


def locked(connection: Connection, trace: str) -> RunRow | None:
    """The row of a run, locked until the commit; None for one that was not admitted.

    Call it before anything locks the feed's counter: two transactions that locked them in different orders would deadlock.
    """
    row = _LOCKED.first(connection, of=trace)
    if row is None:
        return None
    return RunRow(trace, row.workflow_id, row.run_ids, row.state, int(row.change_number), row.feed_hash)


def write(connection: Connection, row: RunRow) -> None:
    """Write what has changed, in one statement; none if nothing has."""
    if row.values:
        _setting(tuple(sorted(row.values))).run(connection, of_trace=row.trace, **row.values)
        row.values = {}


@functools.cache
def _setting(columns: tuple[str, ...]) -> Statement:
    values = {name: bindparam(name, type_=run.c[name].type) for name in columns}
    return Statement(update(run).where(run.c.trace == bindparam("of_trace")).values(values))
