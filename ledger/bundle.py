"""One run as a ledger of its own: every row and every byte of it, to be kept, passed on and verified anywhere."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Table, select

from contracts.errors import NotFound
from ledger import artifacts, condemnations, manifest, seals
from ledger.db import Ledger, insert_each_once, rows_with
from ledger.manifest import chain_of
from ledger.migrate import upgrade
from ledger.tables import (
    action,
    artifact,
    claim,
    condemnation,
    condemned,
    counter,
    decision,
    decision_outbox,
    edge,
    feed,
    gate,
    handoff,
    remedy,
    reservation,
    run,
    scope,
    seen,
    tool_result,
    turn,
)

_OF_THE_RUN: tuple[Table, ...] = (run, feed, gate, decision, decision_outbox, action, handoff, seen, turn, reservation)
"""Tables with the trace of a run in each row."""

_CONDEMNED: tuple[Table, ...] = (condemnation, condemned, remedy)


class Written(NamedTuple):
    """How many artifacts a bundle holds, and the digest of its manifest, which is of all that it holds."""

    artifacts: int
    digest: str


def write(source: Ledger, trace: str, file: Path) -> Written:
    """Copy one run into a new SQLite ledger in this file.

    Artifacts are in their rows whatever their size, so that the file is all there is. Bytes that retention has removed stay
    removed. Where anything that the run's things came from was ever condemned, all that is on record of condemnations is there,
    too. Raises `ArtifactDamaged` if bytes have changed.
    """
    target = Ledger(f"sqlite:///{file}", file.with_suffix(".files"))
    try:
        upgrade(target)
        rows, chain = source.read_now(lambda connection: (_rows(connection, source.files, trace), chain_of(connection)))
        target.tx_now(_insert, rows)
        digest = target.tx_now(manifest.write, trace, rows, chain)
    finally:
        target.close()
    # One file, and no journal beside it that could be forgotten.
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return Written(len(rows[artifact]), digest)


Rows = dict[Table, list[dict[str, Any]]]


def _rows(connection: Connection, files: Path, trace: str) -> Rows:
    found: Rows = {table: _those(connection, table, table.c.trace, [trace]) for table in _OF_THE_RUN}
    handoffs, turns = [row["id"] for row in found[handoff]], [row["id"] for row in found[turn]]
    found[claim] = _those(connection, claim, claim.c.handoff, handoffs)
    found[tool_result] = _those(connection, tool_result, tool_result.c.turn, turns)
    found[scope] = _those(connection, scope, scope.c.id, [f"run:{trace}"])
    found[counter] = _those(connection, counter, counter.c.name, ["sealed_since"])
    calls = [f"{row['turn']}/{row['position']}" for row in found[tool_result]]
    gates = [f"{trace}/{row['gate']}" for row in found[gate]]
    digests = sorted({*_digests(found)})
    made = [f"{trace}/{one}" for one in digests]
    nodes = [*handoffs, *turns, *calls, *gates, *made, *(row["key"] for row in found[action])]
    found[edge] = _those(connection, edge, edge.c.child, nodes)
    found[artifact] = [_whole(connection, files, row) for row in _those(connection, artifact, artifact.c.sha256, digests)]
    if condemnations.ever_reached(connection, nodes):
        _add_condemned(connection, found)
    return found


def _add_condemned(connection: Connection, found: Rows) -> None:
    """Everything that was condemned: its feed lines are one chain, and seal the rows, so that one that is left out is found."""
    found[feed] += _those(connection, feed, feed.c.trace, [seals.CONDEMNED])
    for table in _CONDEMNED:
        found[table] = [dict(row._mapping) for row in connection.execute(select(table))]
    lines = (row["outputs"] for row in found[feed] if row["trace"] == seals.CONDEMNED)
    sealed = [seal for line in lines for one in json.loads(line) if (seal := seals.read(one)) is not None]
    there = {row["key"] for row in found[action]}
    proposed = sorted({key for kind, key, _ in sealed if kind == "action"} - there)
    found[action] += _those(connection, action, action.c.key, proposed)


def _digests(found: Rows) -> Iterable[str]:
    yield from (row["artifact"] for row in found[seen])
    yield from (row["subject"] for row in found[gate])
    yield from (row["arguments"] for row in found[action])
    yield from (row["task"] for row in found[turn])


def _whole(connection: Connection, files: Path, row: dict[str, Any]) -> dict[str, Any]:
    try:
        return row | {"body": artifacts.get(connection, files, row["sha256"]), "location": ""}
    except NotFound:
        return row  # retention has removed the bytes


def _those(connection: Connection, table: Table, column: Column[Any], values: list[str]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in rows_with(connection, select(table), column, values)]


def _insert(connection: Connection, rows: Rows) -> None:
    for table, some in rows.items():
        insert_each_once(connection, table, some)
