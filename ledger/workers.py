"""Workers: which of them are alive, and what those that are not have left held."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, select, update

from contracts.money import usd
from contracts.runs import Note, RunRef
from ledger import feed
from ledger.db import from_us, insert_once, now_us
from ledger.money import spend
from ledger.tables import reservation, worker

BEAT = timedelta(seconds=10)
"""How often a worker says that it is alive."""

SILENT = timedelta(seconds=30)
"""A worker that has said nothing for so long is dead, or so slow that it must not hold money any longer."""


AT_ONCE = 100
"""Orphans that a round closes, so that it does not keep its worker from saying that it is alive."""


def beat(connection: Connection, name: str, about: str) -> None:
    """Note that this worker is alive now."""
    now = now_us()
    seen = update(worker).where(worker.c.id == name).values(seen_at=now)
    # As a rule its row is there: only the first beat inserts one.
    if connection.execute(seen).rowcount == 0:
        insert_once(connection, worker, id=name, about=about, started_at=now, seen_at=now)


def orphans(connection: Connection, silent: timedelta = SILENT) -> list[str]:
    """What workers that are silent still hold: the ids of reservations, the oldest first, as many as one round closes."""
    return list(connection.execute(_orphans(silent).limit(AT_ONCE)).scalars())


def close_orphan(connection: Connection, identity: str, silent: timedelta = SILENT) -> bool:
    """Charge in full what a silent worker holds for one call, with a feed line. False where it is no orphan any more.

    Whether its provider did the work nobody knows. One that answers all the same corrects its own row; a bill can, too
    (`baton budget reconcile`). A transaction each: one for many would hold the rows of many runs, in no order that the calls
    which go on could keep to.
    """
    # Looked for once more, in this transaction: the call, or its worker, may have come to life since.
    row = connection.execute(_orphans(silent).with_only_columns(reservation).where(reservation.c.id == identity)).first()
    # Nothing is told where nothing was closed: its own attempt was faster.
    if row is None or not spend.close(connection, identity, "lost"):
        return False
    ref = RunRef(trace=row.trace, path=row.path, project=row.project or "default")
    feed.append(connection, ref, [_line(identity, row)])
    return True


def _orphans(silent: timedelta) -> Select[Any]:
    before = now_us() - silent // timedelta(microseconds=1)
    alive = select(worker.c.id).where(worker.c.id == reservation.c.worker, worker.c.seen_at >= before).exists()
    query = select(reservation.c.id).where(reservation.c.state == "held", reservation.c.at < before, ~alive)
    return query.order_by(reservation.c.at)


def _line(identity: str, row: object) -> Note:
    agent, model, amount, at = (getattr(row, name) for name in ("agent", "model", "amount", "at"))
    return Note(
        key=f"orphan/{identity}",
        at=from_us(now_us()),
        stage="money",
        actor="ledger",
        did=f"charged {usd(amount)} for a call of {agent or 'an agent'} that was lost with its worker",
        why=f"it was asked of {model or 'a model'} at {from_us(at):%Y-%m-%d %H:%M:%S} UTC, and its worker is silent",
        next="an answer that still comes, or `baton budget reconcile`, puts the real cost in its place",
        importance="detail",
    )
