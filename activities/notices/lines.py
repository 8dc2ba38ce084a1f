"""Texts of the feed lines of this room, in one place."""

from typing import Any

from sqlalchemy import Row

from contracts.printed import command
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from contracts.text import amount, one_line
from ledger.views.notices import Sent

ITSELF = RunRef(trace="notices", workflow_id="notices")
"""Feed lines about messages belong to no run."""


def given_up(row: Row[Any]) -> Note:
    """A message was given up. It tells nobody: where it would be sent is what does not work."""
    return Note(
        key=f"message/{row.id}/given-up/{row.fence}",
        at=WHEN_WRITTEN,
        stage="notify",
        actor="relay",
        did=f"gave up a message to channel {row.channel}: {row.title}",
        why=f"after {amount(row.tries, 'attempt')}: {one_line(row.problem, 1000)}",
        next=f"`{command('notify retry', row.id)}` has it tried again, `{command('notify drop', row.id)}` closes it",
        importance="alert",
    )


def by_operator(one: Sent, did: str, why: str, next: str, by: str) -> Note:
    """An operator has said what becomes of a message."""
    return Note(
        key=f"message/{one.id}/operator/{one.updated_at.isoformat()}/{did}",
        at=WHEN_WRITTEN,
        stage="notify",
        actor=by,
        did=f"{did} message {one.id} to channel {one.channel}: {one.title}",
        why=one_line(why, 1000),
        next=next,
        importance="overview",
    )
