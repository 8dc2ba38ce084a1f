"""How far the calls under way have got, for whoever looks on; and of several runs at once, cheap enough to look often."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from contracts.text import amount
from ledger.db import from_us, in_parts, server_us
from ledger.tables import call_progress, reservation, run, worker
from ledger.workers import ANSWERS

QUIET = 10
"""Seconds without a byte after which it is said since when."""


@dataclass(frozen=True)
class Progress:
    """How far one call has got. Nothing of it counts as used or spent.

    `tokens` are those that have been written so far: a guess by the characters where `estimated`. `tool` is the one whose call
    is being written, "" for none. `heard_at` is when the last byte came, or the call was sent; `silent_s` how many seconds ago
    that is. `lost`: its worker has not been heard of either for that long.
    """

    characters: int
    tokens: int
    estimated: bool
    tool: str
    heard_at: datetime
    silent_s: int
    lost: bool

    @property
    def told(self) -> str:
        """How much has been written, for people."""
        if not self.characters and not self.tokens:
            return "nothing written yet"
        if not self.estimated:
            written = f"{amount(self.tokens, 'token')} written"
        else:
            written = f"about {amount(self.tokens, 'token')} written (estimated from {amount(self.characters, 'character')})"
        return written + (f", now a call of {self.tool}" if self.tool else "")

    @property
    def quiet(self) -> str:
        """Since when there was no word; "" while there is."""
        seconds = self.silent_s
        if seconds < QUIET:
            return ""
        waited = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
        return f"no word for {waited}" + (", nor of its worker" if self.lost else "")


@dataclass(frozen=True)
class Moment:
    """What is under way of one run: `shape` differs once something begins, ends or is told, `far` is by reservation."""

    shape: tuple[str, ...]
    far: dict[str, Progress]


def progress_of(connection: Connection, reservations: Iterable[str]) -> dict[str, Progress]:
    """How far these calls have got, by reservation; without those of which nothing is known."""
    wanted, now = list(reservations), server_us(connection)
    found: dict[str, Progress] = {}
    for some in in_parts(wanted):
        query = _far().where(call_progress.c.reservation.in_(some))
        found |= {row.reservation: _progress(row, now) for row in connection.execute(query)}
    return found


def moments(connection: Connection, traces: Sequence[str]) -> dict[str, Moment]:
    """What is under way of these runs, in three statements for all; without runs that there are none of."""
    now, held = server_us(connection), reservation.c.state == "held"
    shapes: dict[str, list[str]] = {}
    far: dict[str, dict[str, Progress]] = {}
    for some in in_parts(traces):
        runs = select(run.c.trace, run.c.state, run.c.stage, run.c.feed_hash).where(run.c.trace.in_(some))
        for trace, *shape in connection.execute(runs):
            shapes[trace], far[trace] = shape, {}
        calls = select(reservation.c.trace, reservation.c.id).where(held, reservation.c.trace.in_(some))
        for trace, call in connection.execute(calls.order_by(reservation.c.at)):
            shapes.get(trace, []).append(call)
        query = _far().add_columns(reservation.c.trace).where(held, reservation.c.trace.in_(some))
        for found in connection.execute(query.join(reservation, reservation.c.id == call_progress.c.reservation)):
            far.get(found.trace, {})[found.reservation] = _progress(found, now)
    return {trace: Moment(tuple(shape), far[trace]) for trace, shape in shapes.items()}


def _far() -> Any:
    seen = worker.c.seen_at.label("worker_seen_at")
    return select(call_progress, seen).select_from(call_progress.outerjoin(worker, worker.c.id == call_progress.c.worker))


def _progress(row: Row[Any], now: int) -> Progress:
    silent = max(now - row.heard_at, 0) // 1_000_000
    gone = row.worker_seen_at is None or timedelta(microseconds=now - row.worker_seen_at) > ANSWERS
    fixed = (int(row.characters), int(row.tokens), bool(row.estimated), row.tool, from_us(row.heard_at))
    return Progress(*fixed, silent, lost=gone and silent >= QUIET)
