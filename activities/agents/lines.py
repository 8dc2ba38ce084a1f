"""Texts of the feed lines of this room, in one place."""

from typing import Any

from contracts.away import FallBack
from contracts.handoff import Handoff
from contracts.runs import WHEN_WRITTEN, Note


def stood_in(request: FallBack, handoff: Handoff[Any]) -> Note:
    """A function answered in place of an agent."""
    return Note(
        key=f"fallback:{handoff.id}",
        at=WHEN_WRITTEN,
        stage=request.run.path,
        actor=request.function,
        did=f"answered in place of {request.agent}",
        why=request.why,
        next="the coordinator goes on with it",
        importance="detail",
        outputs=(handoff.id,),
    )
