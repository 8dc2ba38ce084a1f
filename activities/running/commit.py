"""What every activity commits together with its own effect: waiting feed lines and the run row's change."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from contracts.base import digest_of
from contracts.runs import Note, Request, RunState
from ledger import feed, resets, runs
from ledger.db import Ledger
from ledger.money import spend


def commit_riders(
    connection: Connection, request: Request, own: Sequence[Note] = (), *, tokens: int = 0, usd_micros: int = 0
) -> None:
    """Write the request's feed lines, then the activity's own, then nothing more: call it last in a transaction.

    A forbidden move of the run's state becomes a line of its own; it undoes nothing.
    """
    notes = [*request.notes, *own]
    ended = runs.follow(connection, request.run)
    if ended is not None:
        notes.insert(0, _reset(request, ended))
    if request.waiting is not None:
        resets.close_abandoned(connection, request.run.trace, request.run.run_id, request.waiting)
    if request.change is not None:
        refused = runs.change(connection, request.run, request.change)
        if refused is not None:
            notes.append(_forbidden(request, refused))
    for slice_id in request.gives_back:
        spend.give_back(connection, slice_id)
    feed.append(connection, request.run, notes, tokens=tokens, usd_micros=usd_micros)


async def commit_alone(ledger: Ledger, request: Request) -> None:
    """Write what rides along with an activity that has nothing else to write. Where nothing rides no transaction is needed."""
    if request.notes or request.change is not None or request.gives_back:
        await ledger.tx(commit_riders, request)


def _reset(request: Request, ended: RunState) -> Note:
    return Note(
        key=f"{request.run.trace}/reset/{request.run.run_id}",
        at=datetime.now(UTC),
        stage="reset",
        actor="operator",
        did=f"went back to an earlier point; the run had ended as {ended}",
        why=f"it was reset, and run {request.run.run_id} takes its place",
        next="what was done and paid before is found again, not done again",
    )


def _forbidden(request: Request, reason: str) -> Note:
    return Note(
        key=digest_of("forbidden-move", request.run.trace, request.run.path, reason),
        at=datetime.now(UTC),
        stage=(request.change.stage if request.change else None) or "",
        actor="ledger",
        did="refused to change the run's state",
        why=reason,
        importance="detail",
    )
