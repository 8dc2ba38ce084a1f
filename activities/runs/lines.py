"""Texts of the feed lines of this room, in one place."""

from datetime import UTC, datetime

from contracts.gates import Refusal
from contracts.journal import BeginRun
from contracts.money import usd
from contracts.pins import Began
from contracts.runs import Note


def admitted(request: BeginRun, began: Began) -> Note:
    """The first line of a run's feed."""
    who = ", ".join(pin.label for pin in began.agents.values())
    starter = request.input.get("by")
    return Note(
        key=f"{request.run.trace}/begin",
        at=datetime.now(UTC),
        stage="intake",
        did=f"admitted the run for {began.owner}" + (f", started by {starter}" if starter else ""),
        why=f"agents {who}; ceiling {usd(began.ceiling_micros)}",
        next=request.next,
    )


def decision_refused(refusal: Refusal) -> Note:
    """Something that a person sent was refused before it reached a gate."""
    return Note(
        key=f"refusal/{refusal.key}",
        at=refusal.at,
        stage=refusal.gate,
        actor=refusal.by or "somebody",
        channel=refusal.via,
        did=f"sent {refusal.verb} and was refused",
        why=refusal.reason,
        next="nothing changed",
        importance="detail",
    )
