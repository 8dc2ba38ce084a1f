"""Texts of the feed lines of this room, in one place."""

from datetime import datetime

from contracts.printed import command
from contracts.runs import Note


def no_room(scope: str, text: str, now: datetime, *, refuses: bool) -> Note:
    """A ceiling kept a run out, or (`refuses` False) will be reached. One line per ceiling and day."""
    return Note(
        key=f"alert/{scope}/{now:%Y-%m-%d}/{refuses}",
        at=now,
        stage="money",
        actor="ledger",
        did="refused a new run for lack of money" if refuses else "a ceiling will be reached",
        why=text,
        next=f"`{command('budget raise', scope, options='--to USD -m why')}`, or wait for the next period",
        importance="alert",
    )
