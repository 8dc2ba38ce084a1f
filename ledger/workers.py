"""Workers: which are alive, and what dead ones have left reserved."""

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
"""How often a worker sends its heartbeat."""

SILENT = timedelta(seconds=30)
"""A worker without a heartbeat for so long is dead, or too slow to hold money any longer."""


AT_ONCE = 100
"""Most orphans that one round closes, so that it does not delay its own worker's heartbeat."""


def beat(connection: Connection, name: str, about: str) -> None:
    """Record a worker's heartbeat. `about` is only stored with the first."""
    now = now_us()
    seen = update(worker).where(worker.c.id == name).values(seen_at=now)
    # As a rule its row is there: only the first heartbeat inserts one.
    if connection.execute(seen).rowcount == 0:
        insert_once(connection, worker, id=name, about=about, started_at=now, seen_at=now)


def orphans(connection: Connection, silent: timedelta = SILENT) -> list[str]:
    """Ids of the reservations that silent workers still hold, oldest first, as many as one round closes."""
    return list(connection.execute(_orphans(silent).limit(AT_ONCE)).scalars())


def close_orphan(connection: Connection, identity: str, silent: timedelta = SILENT) -> bool:
    """Charge in full what a silent worker holds for one call, with a feed line. False if it is no orphan any more.

    Nobody knows whether the provider did the work. An attempt that answers after all corrects its own row; so can a bill
    (`baton budget reconcile`). Run it in a transaction of its own: one for many orphans would lock the rows of many runs, in
    an order that the calls under way do not follow.
    """
    # Checked again in this transaction: the call may have ended, or its worker come back, since it was listed.
    row = connection.execute(_orphans(silent).with_only_columns(reservation).where(reservation.c.id == identity)).first()
    # Its own attempt may have been faster: then nothing is closed and nothing reported.
    if row is None or not spend.close(connection, identity, "lost"):
        return False
    ref = RunRef(trace=row.trace, path=row.path, project=row.project or "default")
    feed.append(connection, ref, [_line(identity, row)])
    return True


def _orphans(silent: timedelta) -> Select[Any]:
    # A young reservation never counts: the first heartbeat of its worker may still be on its way.
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
        why=f"it went to {model or 'a model'} at {from_us(at):%Y-%m-%d %H:%M:%S} UTC, and its worker sends no heartbeat",
        next="a late answer, or `baton budget reconcile`, replaces it by the real cost",
        importance="alert",
    )
