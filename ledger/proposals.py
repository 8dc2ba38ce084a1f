"""Proposed actions: what would take back an action that came from something condemned, until a person starts or declines it.

A proposal is a row of the outbox in the state `proposed`. It belongs to no run until one has begun it, and what is `proposed`
is sent by nobody: the run that begins it asks policy for it as for any other action.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from contracts.actions import Receipt
from contracts.errors import NotFound, Refused
from contracts.runs import RunRef
from contracts.text import one_line
from ledger import actions, artifacts, lineage, seals
from ledger.db import in_parts, rows_with, server_us
from ledger.handoffs import link, made
from ledger.tables import action, edge, run

# As in `ledger/gates.py`.
if TYPE_CHECKING:
    from contracts.intents import Intent

NO_RUN = seals.CONDEMNED
"""What a proposal that no run has begun has in place of a run."""


def put(connection: Connection, files: Path, intent: "Intent", arguments: bytes, undone: str) -> Row[Any]:
    """Propose an action that takes back the one with the key `undone`; returns the row that counts. Safe to call twice.

    Where the same event was asked for before, that action stays as it is, whatever its state, unless it came to nothing. The
    caller tells the feed about condemnations, which seals the row.
    """
    artifacts.put(connection, files, arguments, "application/json")
    row = actions.suggest(connection, intent, trace=NO_RUN)
    if row.trace == NO_RUN:
        seals.touch(connection, NO_RUN, "action", row.key)
    if row.arguments_digest == intent.arguments_digest:
        link(connection, row.key, "derived", [made(row.trace, row.arguments)])
        lineage.of_undo(connection, row.trace, row.arguments, undone)
    return row


def undoing(connection: Connection, keys: Iterable[str]) -> list[tuple[str, Row[Any]]]:
    """Every action that takes one of these back, in whatever state: the key of that one, and the action's row."""
    query = select(edge.c.child, edge.c.parent).where(edge.c.relation == "undoes")
    back = {row.child: row.parent for row in rows_with(connection, query, edge.c.parent, keys)}
    digests = sorted({child.rpartition("/")[2] for child in back})
    # By what runs have made, and not by the proposals of no run: there may be many of those.
    traces = sorted({child.rpartition("/")[0] for child in back} - {NO_RUN})
    rows = [*rows_with(connection, select(action), action.c.trace, traces)]
    ours = select(action).where(action.c.trace == NO_RUN)
    rows += rows_with(connection, ours, action.c.arguments, digests) if digests else []
    return [(back[name], row) for row in rows if (name := made(row.trace, row.arguments)) in back]


def has_begun(connection: Connection, row: Row[Any]) -> bool:
    """True while a run that goes on has the proposal."""
    query = select(run.c.trace).where(run.c.trace == row.trace, run.c.ended_at.is_(None))
    return row.trace != NO_RUN and connection.execute(query).first() is not None


def begin(connection: Connection, ref: RunRef, key: str) -> bool:
    """Give a proposal to the run that is to carry it out. False if the run has it already.

    Raises `NotFound`, and `Refused` for what is not proposed any more, or where another run that goes on has begun it.
    """
    row = _locked(connection, key)
    if row.trace == ref.trace:
        return False
    _check(connection, row)
    undone = undone_by(connection, row)
    connection.execute(update(action).where(action.c.key == row.key).values(trace=ref.trace, updated_at=server_us(connection)))
    for one in undone:
        lineage.of_undo(connection, ref.trace, row.arguments, one)
    seals.touch(connection, ref.trace, "action", row.key)
    return True


def undone_by(connection: Connection, row: Row[Any]) -> list[str]:
    """The keys of the actions that this one takes back."""
    query = select(edge.c.parent).where(edge.c.relation == "undoes", edge.c.child == made(row.trace, row.arguments))
    return list(connection.execute(query.order_by(edge.c.parent)).scalars())


def open_one(connection: Connection, key: str) -> Row[Any]:
    """A proposal that nobody has begun, which stays so for this transaction. Raises `NotFound` or `Refused`, as `begin`."""
    row = _locked(connection, key)
    _check(connection, row)
    return row


def _locked(connection: Connection, key: str) -> Row[Any]:
    row = actions.locked(connection, key)
    if row is None:
        raise NotFound(f"there is no action {key[:12]}…; `baton actions list --state proposed` lists what is proposed")
    return row


def _check(connection: Connection, row: Row[Any]) -> None:
    it = f"action {row.key[:12]} ({one_line(row.summary, 200)})"
    if row.state != "proposed":
        because = f" ({row.reason})" if row.reason else ""
        raise Refused(f"{it} is {row.state}{because}, and not proposed any more")
    if has_begun(connection, row):
        name = connection.execute(select(run.c.workflow_id).where(run.c.trace == row.trace)).scalar_one()
        raise Refused(f"{it} was begun by run {name}, which goes on: what becomes of it is decided there, or cancel that run")


def end(connection: Connection, row: Row[Any], receipt: Receipt) -> None:
    """Settle a proposal that nobody has begun. The caller has made sure of that, and tells the feed about condemnations."""
    values = {"state": receipt.state, "receipt": receipt.model_dump_json(), "reason": receipt.problem, "trace": NO_RUN}
    _change(connection, [row], values)


def withdraw(connection: Connection, undone: Iterable[str], why: str) -> int:
    """Withdraw the proposals that take these actions back and that nobody has begun; how many. It can be proposed again."""
    rows = {row.key: row for _, row in undoing(connection, undone) if row.state == "proposed"}
    # Locked: a run that begins one at this moment either waits, and finds it withdrawn, or is waited for.
    locked = [actions.locked(connection, key) for key in sorted(rows)]
    free = [row for row in locked if row is not None and row.state == "proposed" and not has_begun(connection, row)]
    _change(connection, free, {"state": "expired", "reason": why, "trace": NO_RUN})
    return len(free)


def _change(connection: Connection, rows: Iterable[Row[Any]], values: dict[str, Any]) -> None:
    rows = list(rows)
    for row in rows:
        # Of no run again: what is said of it from now on is said about condemnations.
        for undone in undone_by(connection, row):
            lineage.of_undo(connection, NO_RUN, row.arguments, undone)
        seals.touch(connection, NO_RUN, "action", row.key)
    for some in in_parts([row.key for row in rows]):
        whole = values | {"updated_at": server_us(connection)}
        connection.execute(update(action).where(action.c.key.in_(some)).values(**whole))
