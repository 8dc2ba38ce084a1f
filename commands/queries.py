"""What commands ask of the ledger beyond `ledger/`: runs and ids by their beginnings, positions in the feed. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Column, Connection, Row, func, select
from sqlalchemy import Table as SqlTable

from contracts.errors import NotFound
from ledger import runs
from ledger.db import to_us
from ledger.tables import artifact, decision, feed, gate, handoff, run, scope, turn

SHORTEST = 4
"""Characters that the beginning of an id must have."""


def find_run(connection: Connection, name: str, *, whole: bool = False) -> Row[Any]:
    """The run with this id, or the only one whose id or trace begins like that. Raises `NotFound` with what comes near.

    `whole` takes no beginnings: for what cannot be taken back.
    """
    try:
        return runs.find(connection, name)
    except NotFound:
        pass
    found = [trace for trace, _ in _runs_like(connection, name)] if len(name) >= SHORTEST else []
    if len(found) == 1 and not whole:
        return runs.find(connection, found[0])
    if len(found) > 1:
        names = ", ".join(sorted(label for _, label in _runs_like(connection, name)))
        raise NotFound(f"{name!r} is the beginning of several runs: {names}. Type more of it")
    known = list(connection.execute(select(run.c.workflow_id).order_by(run.c.started_at.desc()).limit(500)).scalars())
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise NotFound(f"there is no run {name!r} in the ledger{hint}. `baton runs` lists what there is")


def _runs_like(connection: Connection, name: str) -> list[tuple[str, str]]:
    query = select(run.c.trace, run.c.workflow_id).where(
        run.c.workflow_id.startswith(name, autoescape=True) | run.c.trace.startswith(name, autoescape=True)
    )
    return [(row.trace, row.workflow_id) for row in connection.execute(query.limit(10))]


@dataclass(frozen=True)
class Money:
    """What a run has spent, holds for calls under way, and may spend, in micro-dollars."""

    spent: int
    held: int
    ceiling: int


def money_of(connection: Connection, trace: str) -> Money:
    """A run's money; all zero before its first reservation and without a ceiling row."""
    row = connection.execute(select(scope).where(scope.c.id == f"run:{trace}")).first()
    return Money(0, 0, 0) if row is None else Money(row.spent, row.held, row.ceiling)


def seq_before(
    connection: Connection, *, since: datetime | None, last: int | None, trace: str | None, project: str | None
) -> int:
    """The feed position to read from: so that lines since then, or the last so many, come. 0 for all."""
    query = select(feed.c.seq)
    if trace is not None:
        query = query.where(feed.c.trace == trace)
    if project is not None:
        query = query.where(feed.c.project == project)
    if since is not None:
        first = connection.execute(query.where(feed.c.at >= to_us(since)).order_by(feed.c.seq).limit(1)).scalar()
        return int(first) - 1 if first is not None else head(connection)
    if last is not None:
        newest = list(connection.execute(query.order_by(feed.c.seq.desc()).limit(last)).scalars())
        return int(newest[-1]) - 1 if newest else 0
    return 0


def head(connection: Connection) -> int:
    """The number of the newest feed line."""
    return int(connection.execute(select(func.max(feed.c.seq))).scalar() or 0)


def refused_before(connection: Connection, trace: str, name: str, by: str, verb: str) -> int:
    """How often this person's decision was refused at this gate: the next one is another decision."""
    query = select(func.count()).where(
        decision.c.trace == trace,
        decision.c.gate == name,
        decision.c.by == by,
        decision.c.verb == verb,
        decision.c.outcome == "refused",
    )
    return int(connection.execute(query).scalar_one())


def gates_of(connection: Connection, trace: str) -> list[Row[Any]]:
    """All gates of a run family, oldest first."""
    return list(connection.execute(select(gate).where(gate.c.trace == trace).order_by(gate.c.opened_at)))


_IDS: tuple[tuple[str, SqlTable, Column[Any]], ...] = (
    ("handoff", handoff, handoff.c.id),
    ("turn", turn, turn.c.id),
    ("artifact", artifact, artifact.c.sha256),
)


def ids_like(connection: Connection, beginning: str) -> list[tuple[str, str]]:
    """(kind, id) of handoffs, turns and artifacts whose id begins like this; at most ten of each."""
    found: list[tuple[str, str]] = []
    for kind, _, column in _IDS:
        query = select(column).where(column.startswith(beginning, autoescape=True)).limit(10)
        found += [(kind, str(one)) for one in connection.execute(query).scalars()]
    return found


def gates_named(connection: Connection, name: str) -> list[tuple[str, str]]:
    """(trace, gate) of all gates with exactly this name; at most ten, newest first."""
    query = select(gate.c.trace, gate.c.gate).where(gate.c.gate == name).order_by(gate.c.opened_at.desc()).limit(10)
    return [(row.trace, row.gate) for row in connection.execute(query)]


def turns_at(connection: Connection, trace: str, path: str) -> Sequence[Row[Any]]:
    """The model turns of one step, oldest first."""
    return list(connection.execute(select(turn).where(turn.c.trace == trace, turn.c.path == path).order_by(turn.c.at)))


def names_of(connection: Connection, traces: Sequence[str]) -> dict[str, str]:
    """The workflow id of each of these run families."""
    query = select(run.c.trace, run.c.workflow_id).where(run.c.trace.in_(traces))
    return {row.trace: row.workflow_id for row in connection.execute(query)}
