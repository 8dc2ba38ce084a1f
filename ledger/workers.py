"""Workers: which of them are alive, and what those that are not have left held."""

from datetime import timedelta

from sqlalchemy import Connection, select, update

from contracts.money import usd
from contracts.runs import Note, RunRef
from ledger import feed, spend
from ledger.db import from_us, insert_once, now_us
from ledger.tables import reservation, worker

BEAT = timedelta(seconds=10)
"""How often a worker says that it is alive."""

SILENT = timedelta(seconds=30)
"""A worker that has said nothing for so long is dead, or so slow that it must not hold money any longer."""


def beat(connection: Connection, name: str, about: str) -> None:
    """Note that this worker is alive now."""
    now = now_us()
    seen = update(worker).where(worker.c.id == name).values(seen_at=now)
    if connection.execute(seen).rowcount == 0:
        insert_once(connection, worker, id=name, about=about, started_at=now, seen_at=now)


def close_orphans(connection: Connection, silent: timedelta = SILENT) -> int:
    """Charge in full what workers that are silent still hold, one feed line each; gives back how many there were.

    Whether their provider did the work nobody knows. One that answers all the same corrects its own row; a bill can, too
    (`baton budget reconcile`).
    """
    before = now_us() - silent // timedelta(microseconds=1)
    alive = select(worker.c.id).where(worker.c.id == reservation.c.worker, worker.c.seen_at >= before).exists()
    query = select(reservation).where(reservation.c.state == "held", reservation.c.at < before, ~alive)
    closed = 0
    for row in connection.execute(query.order_by(reservation.c.at).limit(500)).all():
        if spend.close(connection, row.id, "lost"):
            closed += 1
            ref = RunRef(trace=row.trace, path=row.path, project=row.project or "default")
            feed.append(connection, ref, [_line(row.id, row)])
    return closed


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
