"""Texts of the feed lines about what was condemned, in one place."""

from collections.abc import Sequence
from datetime import datetime

from activities.gates.mending import Planned
from contracts.base import digest_of
from contracts.notices import Occasion
from contracts.runs import WHEN_WRITTEN, Note
from contracts.text import amount, one_line
from ledger.condemnations import Condemnation, How
from ledger.views.condemned import Standing
from ledger.views.impact import Effect


def condemned(standing: Standing, fresh: int, who: Sequence[str]) -> Note:
    """Somebody condemned something; `who` may say what becomes of it."""
    one, held, left = standing.condemnation, _held(standing), amount(len(standing.reach.left), "action")
    return Note(
        key=f"condemned/{one.id}",
        at=one.at,
        stage="condemned",
        actor=one.by,
        did=f"condemned {one.what} ({one.id}; {amount(fresh, 'thing')})",
        why=one.why,
        next=f"held: {held}; executed and to be settled: {left}",
        importance="alert",
        # Not what was condemned: people choose it by words that an agent, or a file, may have put there.
        tells=Occasion(kind="condemned", about=one.id, what=f"{held} held; {left} to settle", who=tuple(who)),
    )


def _held(standing: Standing) -> str:
    reach = standing.reach
    counts = (amount(len(reach.runs), "open run"), amount(len(reach.gates), "gate"), amount(len(reach.pending), "action"))
    return ", ".join(counts)


def proposed(one: Condemnation, planned: Sequence[Planned], by: str = "") -> Note:
    """What takes back what has happened was proposed; or why it could not be."""
    made = [each.prepared.intent.key for each in planned if each.prepared is not None]
    return Note(
        key=f"condemned/{one.id}/proposed/{digest_of(*made)[:16]}",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by or one.by,
        did=f"proposed {amount(len(made), 'action')} to take back what came from {one.what} ({one.id})"[:2000],
        why=one_line("; ".join(["policy names what takes it back", *(each.problem for each in planned if each.why)]), 1000),
        next="a person starts each, or declines it (`baton actions list --state proposed`)" if made else "",
        inputs=tuple(made[:100]),
    )


def proposal_declined(key: str, summary: str, since: datetime, by: str, why: str) -> Note:
    """Somebody declined what was proposed."""
    return Note(
        key=f"condemned/declined/{key}/{since.timestamp()}",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by,
        did=f"declined what was proposed: {summary}"[:2000],
        why=why,
        next="nothing was done, and what it would take back stays",
        inputs=(key,),
    )


def condemnation_undone(before: Standing, by: str, why: str, who: Sequence[str], withdrawn: int) -> Note:
    """Somebody took a condemnation back; `who` may say what becomes of what it held."""
    one = before.condemnation
    return Note(
        key=f"condemned/{one.id}/undone",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by,
        did=f"undid the condemnation of {one.what} ({one.id})",
        why=why,
        next="what it alone held goes on" + (f"; withdrawn: {amount(withdrawn, 'proposed action')}" if withdrawn else ""),
        importance="alert",
        tells=Occasion(kind="condemnation_undone", about=one.id, what=f"{_held(before)} may go on", who=tuple(who)),
    )


def condemned_settled(one: Condemnation, effect: Effect, how: How, by: str, note: str, reference: str) -> Note:
    """Somebody said what became of an action that had come from something condemned."""
    did = {"done": "made good", "declined": "leaves as it is", "goes_on": "lets happen all the same"}[how]
    return Note(
        key=f"condemned/{one.id}/{effect.key}",
        at=WHEN_WRITTEN,
        stage="condemned",
        actor=by,
        did=f"{did}: {effect.summary} (run {effect.run}), which came from {one.what} ({one.id})"[:2000],
        why=note,
        next=reference and f"reference {reference}",
        inputs=(effect.key,),
    )
