"""What is removed of runs that ended long ago: the conversations with models, and the files that only such runs used.

Everything that tells what happened, what it cost, who decided and what came from where stays, with the bytes that it names.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, bindparam, func, select, update

from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import artifacts, feed, recent
from ledger.db import from_us, server_us
from ledger.outages import folder_unavailable
from ledger.statement import Statement
from ledger.tables import action, artifact, gate, handoff, run, seen, tool_result, turn

AT_ONCE = 20
"""Most runs that one round trims, each in a transaction of its own."""

_RUN = Statement(
    select(run.c.workflow_id, run.c.project, run.c.result, run.c.ended_at, run.c.trimmed_at)
    .where(run.c.trace == bindparam("of"))
    .with_for_update()
)

_NEEDED = (
    select(seen.c.artifact)
    .join(run, run.c.trace == seen.c.trace)
    .where(seen.c.artifact == artifact.c.sha256, run.c.trimmed_at.is_(None))
    .exists()
)
"""Another run that still has everything has seen it: the one that is trimmed counts no more."""


@dataclass(frozen=True)
class Trimmed:
    """What was removed of one run: its workflow id, and how many bytes."""

    run: str
    size: int


def old_runs(connection: Connection, keep: timedelta, limit: int = AT_ONCE) -> list[str]:
    """Traces of runs that ended longer ago than `keep` and still have everything, oldest first."""
    before = server_us(connection) - keep // timedelta(microseconds=1)
    whole = (run.c.ended_at.is_not(None), run.c.trimmed_at.is_(None), run.c.ended_at < before)
    return list(connection.execute(select(run.c.trace).where(*whole).order_by(run.c.ended_at).limit(limit)).scalars())


def trim(connection: Connection, files: Path, trace: str, keep: timedelta) -> Trimmed | None:
    """Remove the conversations of one run, and the files that no other run needs, with a line on its feed.

    None if it is not old any more, because it was reset, or was trimmed meanwhile. Safe to call twice, and beside running runs.
    """
    # By the database's clock: a worker whose own is ahead would remove what others still need.
    now = server_us(connection)
    before = now - keep // timedelta(microseconds=1)
    # Locked: a reset that opens the run again waits, and then finds that its conversation is gone.
    row = _RUN.first(connection, of=trace)
    if row is None or row.ended_at is None or row.ended_at >= before or row.trimmed_at is not None:
        return None
    connection.execute(update(run).where(run.c.trace == trace).values(trimmed_at=now))
    named = _named(connection, trace, row.result)
    if named:
        connection.execute(update(artifact).where(artifact.c.sha256.in_(named)).values(kept=True))
    size = _conversations(connection, trace) + _files(connection, files, trace, before)
    ref = RunRef(trace=trace, workflow_id=row.workflow_id, project=row.project)
    feed.append(connection, ref, [_line(trace, row.ended_at, size, keep)])
    return Trimmed(row.workflow_id, size)


def _named(connection: Connection, trace: str, result: str) -> set[str]:
    """Digests that gates, actions, handoffs or the report of a run name, and those that these subjects and arguments name."""
    gates = connection.execute(select(gate.c.subject, gate.c.view, gate.c.intents).where(gate.c.trace == trace)).all()
    acts = connection.execute(select(action.c.arguments, action.c.receipt).where(action.c.trace == trace)).all()
    direct = artifacts.digests_in(result, *(text for row in (*gates, *acts) for text in row))
    small = select(artifact.c.body).where(artifact.c.sha256.in_(direct), artifact.c.media_type == "application/json")
    bodies = connection.execute(small).scalars() if direct else ()
    own = connection.execute(select(handoff.c.digest).where(handoff.c.trace == trace)).scalars()
    return direct | artifacts.digests_in(*(bytes(body).decode() for body in bodies if body is not None)) | set(own)


def _conversations(connection: Connection, trace: str) -> int:
    """Empty the replies and tool results of a run. Their rows stay: tokens, money, problems and edges are read from them."""
    own = turn.c.trace == trace
    mine = tool_result.c.turn.in_(select(turn.c.id).where(own))
    size = 0
    for column, where in ((turn.c.reply, own), (tool_result.c.body, mine)):
        size += connection.execute(select(func.coalesce(func.sum(func.length(column)), 0)).where(where)).scalar_one()
        connection.execute(update(column.table).where(where).values({column.name: ""}))
    return int(size)


def _files(connection: Connection, files: Path, trace: str, before: int) -> int:
    """Remove the bytes of the artifacts that only old runs have seen and nothing on record names."""
    size = 0
    for digest in sorted(_seen(connection, trace)):
        # Looked at again with the row locked: another run may have stored the same bytes since.
        old = (artifact.c.sha256 == digest, artifact.c.at < before, artifact.c.kept.is_(False), ~_NEEDED)
        gone = update(artifact).where(*old).values(body=None, location="").returning(artifact.c.size)
        removed = connection.execute(gone).scalar()
        if removed is None:
            continue
        size += int(removed)
        # At once, not after the commit: who stores them again from here on has to wait for this row.
        recent.forget(connection.engine)
        file = artifacts.location(files, digest)
        try:
            # Before the commit: while the row is locked nobody stores the same bytes. Undone, the next round repeats it.
            file.unlink(missing_ok=True)
        except OSError as error:
            raise folder_unavailable(files, error) from None
    return size


def _seen(connection: Connection, trace: str) -> set[str]:
    there = artifact.c.body.is_not(None) | (artifact.c.location != "")
    query = select(artifact.c.sha256).join(seen, seen.c.artifact == artifact.c.sha256).where(seen.c.trace == trace, there)
    return set(connection.execute(query).scalars())


def _line(trace: str, ended_at: int, size: int, keep: timedelta) -> Note:
    return Note(
        key=f"{trace}/trimmed/{ended_at}",
        at=WHEN_WRITTEN,
        stage="upkeep",
        actor="worker",
        did=f"removed the conversations and files of this run, {size >> 10} KiB",
        why=f"it ended at {from_us(ended_at):%Y-%m-%d %H:%M} UTC, and keep_days is {keep.days}",
        next="what it did, decided, cost and came from stays on record; it can no longer be reset",
        importance="detail",
    )
