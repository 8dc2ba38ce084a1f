"""Texts of the feed lines of this room, in one place."""

from datetime import UTC, datetime

from contracts.base import digest_of
from contracts.runs import Note, Request, RunState


def run_reset(request: Request, ended: RunState) -> Note:
    """A run that had ended was reset and continues."""
    return Note(
        key=f"{request.run.trace}/reset/{request.run.run_id}",
        at=datetime.now(UTC),
        stage="reset",
        actor="operator",
        did=f"went back to an earlier point; the run had ended as {ended}",
        why=f"it was reset, and run {request.run.run_id} replaces it",
        next="what was done and paid for before is reused, not repeated",
    )


def move_refused(request: Request, reason: str) -> Note:
    """The run's state may not change like this; nothing was undone."""
    return Note(
        key=digest_of("forbidden-move", request.run.trace, request.run.path, reason),
        at=datetime.now(UTC),
        stage=(request.change.stage if request.change else None) or "",
        actor="ledger",
        did="refused to change the run's state",
        why=reason,
        importance="detail",
    )
