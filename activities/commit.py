"""What every activity commits together with its own effect: waiting feed lines and the run row's change."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from contracts.base import digest_of
from contracts.runs import Note, Request
from ledger import feed, runs
from ledger.db import Ledger


def commit_riders(
    connection: Connection, request: Request, own: Sequence[Note] = (), *, tokens: int = 0, usd_micros: int = 0
) -> None:
    """Write the request's feed lines, then the activity's own, then nothing more: call it last in a transaction.

    A forbidden move of the run's state becomes a line of its own; it undoes nothing.
    """
    notes = [*request.notes, *own]
    if request.change is not None:
        refused = runs.change(connection, request.run, request.change)
        if refused is not None:
            notes.append(_forbidden(request, refused))
    feed.append(connection, request.run, notes, tokens=tokens, usd_micros=usd_micros)


async def commit_alone(ledger: Ledger, request: Request) -> None:
    """Write what rides along with an activity that has nothing else to write. Where nothing rides no transaction is needed."""
    if request.notes or request.change is not None:
        await ledger.tx(commit_riders, request)


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
