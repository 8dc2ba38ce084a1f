"""The feed: append-only lines that say what was done, why, and what comes next, chained by hash within a run."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from contracts.base import canonical, sha256
from contracts.ids import w3c_span_id, w3c_trace_id
from contracts.runs import FeedLine, Note, RunRef
from ledger.db import from_us, to_us
from ledger.tables import feed, feed_head, run

CHAINED = (
    "key",
    "trace",
    "path",
    "stage",
    "actor",
    "channel",
    "authenticated",
    "did",
    "why",
    "next",
    "inputs",
    "outputs",
    "at",
)


def append(connection: Connection, ref: RunRef, notes: Sequence[Note], *, tokens: int = 0, usd_micros: int = 0) -> None:
    """Add lines, each once per key. Call this last in a transaction: it takes the one counter row that all writers share.

    The counter and not an auto-increment gives `seq`, so that lines become visible in the order of their numbers and a
    reader that resumes by number misses none. `tokens` and `usd_micros` go to the last line.
    """
    fresh = _without_known(connection, notes)
    if not fresh:
        return
    last = connection.execute(
        update(feed_head).values(seq=feed_head.c.seq + len(fresh)).returning(feed_head.c.seq)
    ).scalar_one()
    previous = connection.execute(select(run.c.feed_hash).where(run.c.trace == ref.trace)).scalar() or ""
    rows = []
    for number, note in enumerate(fresh, last - len(fresh) + 1):
        row = _row(ref, note, previous)
        is_last = number == last
        rows.append(row | {"seq": number, "tokens": tokens if is_last else 0, "usd_micros": usd_micros if is_last else 0})
        previous = row["hash"]
    connection.execute(feed.insert(), rows)
    connection.execute(update(run).where(run.c.trace == ref.trace).values(feed_hash=previous))


def after(
    connection: Connection, seq: int = 0, *, trace: str | None = None, project: str | None = None, limit: int = 500
) -> list[FeedLine]:
    """Lines with a higher number than `seq`, in order; of one run family or project where given."""
    query = select(feed).where(feed.c.seq > seq).order_by(feed.c.seq).limit(limit)
    if trace is not None:
        query = query.where(feed.c.trace == trace)
    if project is not None:
        query = query.where(feed.c.project == project)
    return [_line(row) for row in connection.execute(query).mappings()]


def _without_known(connection: Connection, notes: Sequence[Note]) -> list[Note]:
    if not notes:
        return []
    known = set(connection.execute(select(feed.c.key).where(feed.c.key.in_([note.key for note in notes]))).scalars())
    fresh: list[Note] = []
    for note in notes:
        if note.key not in known:
            known.add(note.key)
            fresh.append(note)
    return fresh


def _row(ref: RunRef, note: Note, previous: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": note.key,
        "trace": ref.trace,
        "run": ref.workflow_id,
        "path": ref.path,
        "project": ref.project,
        "stage": note.stage,
        "actor": note.actor,
        "channel": note.channel,
        "authenticated": note.authenticated,
        "did": note.did,
        "why": note.why,
        "next": note.next,
        "importance": note.importance,
        "inputs": json.dumps(note.inputs),
        "outputs": json.dumps(note.outputs),
        "trace_id": w3c_trace_id(ref.trace),
        "span_id": w3c_span_id(ref.trace, note.key),
        "at": to_us(note.at),
        "previous_hash": previous,
    }
    row["hash"] = chained(row)
    return row


def chained(row: Any) -> str:
    """The hash of one stored line over its content and the line before it in its run."""
    return sha256(canonical([row["previous_hash"], *(row[name] for name in CHAINED)]))


def _line(row: Any) -> FeedLine:
    values = dict(row) | {
        "at": from_us(row["at"]),
        "inputs": tuple(json.loads(row["inputs"])),
        "outputs": tuple(json.loads(row["outputs"])),
    }
    return FeedLine.model_validate(values)
