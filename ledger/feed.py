"""The feed: append-only lines that say what was done, why, and what comes next, chained by hash within a run."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, select, update

from contracts import runbooks
from contracts.base import canonical, sha256
from contracts.ids import w3c_span_id, w3c_trace_id
from contracts.runs import WHEN_WRITTEN, FeedLine, Note, RunRef
from ledger import notices, seals
from ledger.db import from_us, instant, plain, plain_row, to_us
from ledger.run_rows import RunRow, locked, write
from ledger.statement import Among, InsertMany, Statement
from ledger.tables import feed, feed_head

CHAINED = (
    *("key", "trace", "run", "path", "project", "stage", "actor", "channel", "authenticated"),
    *("did", "why", "next", "importance", "inputs", "outputs", "tokens", "usd_micros", "at"),
)
"""The columns that the hash chain covers, beside `known` where that is there.

A line's number is covered by its place in the chain; its tracing ids are derived.
"""


_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_END_OF_FEED = Statement(select(feed.c.hash).where(feed.c.trace == bindparam("of")).order_by(feed.c.seq.desc()).limit(1))
_TAKE_NUMBERS = Statement(
    update(feed_head).values(seq=feed_head.c.seq + bindparam("by", type_=BigInteger)).returning(feed_head.c.seq)
)
_KNOWN = Among(feed.c.key)
_INSERT = InsertMany(feed, [column.name for column in feed.c])


def append(
    connection: Connection,
    ref: RunRef,
    notes: Sequence[Note],
    *,
    tokens: int = 0,
    usd_micros: int = 0,
    row: RunRow | None = None,
) -> None:
    """Add lines, each once per key. Call this last in a transaction: it locks the one counter row that all writers share.

    `seq` comes from that counter and not from an auto-increment: lines become visible in the order of their numbers, so a
    reader that resumes after a number misses none. `tokens` and `usd_micros` go to the last line. What a line `tells` becomes
    a notice under its number. `row` is the run's, if the caller has locked it: the end of the chain is left there for the
    caller to write.
    """
    if not notes:
        return
    # The run's row is locked before the counter, as in every transaction: other orders would deadlock.
    end = row or locked(connection, ref.trace)
    # The counter is locked until the commit and nobody else can write lines, so a key that is unknown now stays unknown.
    last = _TAKE_NUMBERS.scalar(connection, by=len(notes))
    fresh = _without_known(connection, notes)
    if len(fresh) < len(notes):
        # Numbers taken for known lines go back while nobody else can take any: readers never see a gap.
        last = _TAKE_NUMBERS.scalar(connection, by=len(fresh) - len(notes))
    if not fresh:
        return
    # A run that was not admitted has no row: the end of its chain is found among its lines.
    previous = (end.feed_hash if end is not None else _END_OF_FEED.scalar(connection, of=ref.trace)) or ""
    fresh = _dated(connection, fresh)
    fresh[-1] = _sealing(fresh[-1], seals.taken(connection, ref.trace))
    rows = []
    for number, note in enumerate(fresh, last - len(fresh) + 1):
        cost = (tokens, usd_micros) if number == last else (0, 0)
        rows.append({"seq": number} | _row(ref, note, previous, *cost))
        previous = rows[-1]["hash"]
    _INSERT.run(connection, rows)
    if end is not None:
        end.feed_hash = end.values["feed_hash"] = previous
        if row is None:
            write(connection, end)
    notices.add(connection, ref, list(enumerate(fresh, last - len(fresh) + 1)))


def _dated(connection: Connection, notes: list[Note]) -> list[Note]:
    """The notes with the instant of those that are dated as they are written; never before what they are written after."""
    if all(note.at != WHEN_WRITTEN for note in notes):
        return notes
    now = max(instant(connection), *(note.at for note in notes if note.at != WHEN_WRITTEN), _LONG_AGO)
    return [note if note.at != WHEN_WRITTEN else note.model_copy(update={"at": now}) for note in notes]


def _sealing(note: Note, found: Sequence[str]) -> Note:
    return note.model_copy(update={"outputs": (*note.outputs, *found)}) if found else note


def after(
    connection: Connection,
    seq: int = 0,
    *,
    trace: str | None = None,
    project: str | None = None,
    wanted: Sequence[ColumnElement[bool]] = (),
    limit: int = 500,
) -> list[FeedLine]:
    """At most `limit` lines with a number above `seq`, in order; of one run family or project if given, and as `wanted`."""
    query = select(feed).where(feed.c.seq > seq, *wanted).order_by(feed.c.seq).limit(limit)
    if trace is not None:
        query = query.where(feed.c.trace == trace)
    if project is not None:
        query = query.where(feed.c.project == project)
    return [as_line(row) for row in connection.execute(query).mappings()]


def find(connection: Connection, key: str) -> FeedLine | None:
    """The line with this key, or None."""
    row = connection.execute(select(feed).where(feed.c.key == plain(key))).mappings().first()
    return None if row is None else as_line(row)


def _without_known(connection: Connection, notes: Sequence[Note]) -> list[Note]:
    """The notes whose keys are not in the feed, each key once."""
    by_key = {plain(note.key): note for note in reversed(notes)}
    known = _KNOWN.find(connection, by_key)
    return [note for note in notes if plain(note.key) not in known and by_key[plain(note.key)] is note]


def _row(ref: RunRef, note: Note, previous: str, tokens: int, usd_micros: int) -> dict[str, Any]:
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
        "known": note.known,
        "did": note.did,
        "why": note.why,
        "next": note.next,
        "importance": note.importance,
        "inputs": json.dumps(note.inputs),
        "outputs": json.dumps(note.outputs),
        "tokens": tokens,
        "usd_micros": usd_micros,
        "trace_id": w3c_trace_id(ref.trace),
        "span_id": w3c_span_id(ref.trace, note.key),
        "at": to_us(note.at),
        "previous_hash": previous,
    }
    # Made plain first, so that the hash covers what is really stored.
    row = plain_row(row)
    row["hash"] = chained(row)
    return row


def chained(row: Any) -> str:
    """The hash of one stored line: over its content and the hash of the line before it in its run."""
    # Lines from before it was known keep their hashes.
    known = [f"known {row['known']}"] if row["known"] else []
    return sha256(canonical([row["previous_hash"], *(row[name] for name in CHAINED), *known]))


def as_line(row: Any) -> FeedLine:
    """A row of the table as a line."""
    values = dict(row) | {
        "at": from_us(row["at"]),
        "inputs": tuple(json.loads(row["inputs"])),
        "outputs": tuple(json.loads(row["outputs"])),
        "runbook": runbooks.of_line(row["key"], row["importance"]),
    }
    return FeedLine.model_validate(values)
