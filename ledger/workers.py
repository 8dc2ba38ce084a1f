"""Workers: which are alive, and what dead ones have left reserved."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, delete, select, update

from contracts.money import usd
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import feed
from ledger.db import from_us, insert_once, server_us
from ledger.money import spend
from ledger.tables import reservation, run, worker

BEAT = timedelta(seconds=5)
"""How often a worker sends its heartbeat."""

ANSWERS = timedelta(seconds=15)
"""A worker without a heartbeat for so long does not work any more: two were missed, and the third is due."""

SILENT = timedelta(seconds=30)
"""A worker without a heartbeat for so long is dead, or too slow to hold money any longer."""


REMEMBERED = timedelta(minutes=15)
"""A worker that was heard of within this time is known to this ledger, even if an outage has kept its heartbeats away since."""

FORGOTTEN = timedelta(days=1)
"""A worker that has been silent for so long is removed from the list."""

AT_ONCE = 100
"""Most orphans that one round closes, so that it does not delay its own worker's heartbeat."""


@dataclass(frozen=True)
class Serving:
    """What a worker says of itself: its task queue and host, digests of its settings by name, what was found on its machine."""

    task_queue: str = ""
    host: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


NOTHING_SAID = Serving()


def beat(
    connection: Connection, name: str, about: str, serving: Serving = NOTHING_SAID, clock_ahead: int | None = None
) -> None:
    """Record a worker's heartbeat. `about` and `serving` are only stored with the first.

    `clock_ahead` is by how many microseconds the worker's clock is ahead of Temporal's; None: not measured yet.
    """
    # By the database's clock, which is one for all workers and commands: their own may differ by more than a heartbeat. SQLite
    # has none: there it is the worker's own, as far as that is known to be right.
    now = server_us(connection) - (clock_ahead or 0 if connection.dialect.name == "sqlite" else 0)
    seen = update(worker).where(worker.c.id == name).values(seen_at=now, clock_ahead=clock_ahead)
    # As a rule its row is there: only the first heartbeat inserts one.
    if connection.execute(seen).rowcount == 0:
        said = {"task_queue": serving.task_queue, "host": serving.host}
        said |= {"settings": json.dumps(dict(serving.settings)), "machine": json.dumps(dict(serving.machine))}
        insert_once(connection, worker, id=name, about=about, started_at=now, seen_at=now, clock_ahead=clock_ahead, **said)


def stopped(connection: Connection, name: str) -> None:
    """Record that a worker has ended as it was asked to: it counts as gone at once. Safe to call twice."""
    connection.execute(update(worker).where(worker.c.id == name).values(stopped_at=server_us(connection)))


def places(connection: Connection) -> set[str]:
    """Host and process id of every worker that this ledger has heard of lately, whether it still works or not."""
    names = connection.execute(select(worker.c.id).where(heard_lately(server_us(connection), REMEMBERED))).scalars()
    return {":".join(name.split(":")[:2]) for name in names}


def orphans(connection: Connection, silent: timedelta = SILENT) -> list[str]:
    """Ids of the reservations that silent workers still hold, oldest first, as many as one round closes."""
    return list(connection.execute(_orphans(server_us(connection), silent).limit(AT_ONCE)).scalars())


def close_orphan(connection: Connection, identity: str, silent: timedelta = SILENT) -> bool:
    """Charge in full what a silent worker holds for one call, with a feed line. False if it is no orphan any more.

    Nobody knows whether the provider did the work. An attempt that answers after all corrects its own row; so can a bill
    (`baton budget reconcile`). Run it in a transaction of its own: one for many orphans would lock the rows of many runs, in
    an order that the calls under way do not follow.
    """
    # Checked again in this transaction: the call may have ended, or its worker come back, since it was listed.
    found = _orphans(server_us(connection), silent).with_only_columns(reservation)
    row = connection.execute(found.where(reservation.c.id == identity)).first()
    # Its own attempt may have been faster: then nothing is closed and nothing reported.
    if row is None or not spend.close(connection, identity, "lost"):
        return False
    root = connection.execute(select(run.c.workflow_id).where(run.c.trace == row.trace)).scalar() or ""
    ref = RunRef(trace=row.trace, path=row.path, project=row.project or "default", workflow_id=root)
    feed.append(connection, ref, [_line(row, "its worker sends no heartbeat")])
    return True


def tell_lost(connection: Connection, ref: RunRef, lost: Sequence[str]) -> None:
    """Put on the feed which calls a later attempt found without an answer, and what they are charged. Safe to call twice.

    Last in its transaction, as everything that writes to the feed.
    """
    if lost:
        rows = connection.execute(select(reservation).where(reservation.c.id.in_(lost)).order_by(reservation.c.at)).all()
        feed.append(
            connection, ref, [_line(row, "its attempt was not heard of any more, so another one began") for row in rows]
        )


def forget(connection: Connection, silent: timedelta = FORGOTTEN) -> list[str]:
    """Remove the rows of workers that have been silent for so long and hold no money. Returns their names."""
    holds = select(reservation.c.id).where(reservation.c.worker == worker.c.id, reservation.c.state == "held").exists()
    gone = delete(worker).where(~heard_lately(server_us(connection), silent), ~holds).returning(worker.c.id)
    return list(connection.execute(gone).scalars())


def heard_lately(now: int, silent: timedelta) -> ColumnElement[bool]:
    """Workers with a heartbeat within this time, as a condition."""
    return _near(worker.c.seen_at, now, silent)


def _near(column: Column[int], now: int, span: timedelta) -> ColumnElement[bool]:
    # On either side: an instant of the future was written by a clock that was wrong, and must not count until it has come.
    width = span // timedelta(microseconds=1)
    return column.between(now - width, now + width)


def _orphans(now: int, silent: timedelta) -> Select[Any]:
    # A young reservation never counts: the first heartbeat of its worker may still be on its way.
    young = _near(reservation.c.at, now, silent)
    alive = select(worker.c.id).where(worker.c.id == reservation.c.worker, heard_lately(now, silent)).exists()
    query = select(reservation.c.id).where(reservation.c.state == "held", ~young, ~alive)
    return query.order_by(reservation.c.at)


def _line(row: object, silence: str) -> Note:
    identity, agent, model, amount, at = (getattr(row, name) for name in ("id", "agent", "model", "amount", "at"))
    return Note(
        key=f"orphan/{identity}",
        at=WHEN_WRITTEN,
        stage="money",
        actor="ledger",
        did=f"charged {usd(amount)} for a call of {agent or 'an agent'} that was lost with its worker",
        why=f"it went to {model or 'a model'} at {from_us(at):%Y-%m-%d %H:%M:%S} UTC, and {silence}",
        next="a late answer, or `baton budget reconcile`, replaces it by the real cost",
        importance="alert",
    )
