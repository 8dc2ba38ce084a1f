"""What there is to say of an action of the outbox, for people."""

from typing import TYPE_CHECKING

from commands.output import clock
from contracts.printed import command, quoted
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.views.actions import Outgoing

_CARRIED = {"": "its run", "waited": "the relay; its run waits", "handed": "the relay", "swept": "the relay; its run is over"}


def facts(one: "Outgoing") -> list[tuple[str, str]]:
    """All of one action, each with its name; what there is nothing to say of is left out."""
    start = command("act", options=f"--type {quoted(one.type)} --proposed {one.key}") if one.waits_for_a_person else ""
    every = (
        *(("action", one.summary), ("type", one.type), ("target", one.target), ("state", one.state)),
        *(("sources", ", ".join(one.taint)), ("why", one.problem), ("next", one.next), ("start", start)),
        *(("receipt", one.reference), ("note", one.note), ("run", one.run), ("gate", one.gate)),
        ("carried", "" if one.waits_for_a_person else f"out by {_CARRIED[one.relay]}"),
        *(("proposed" if one.state == "proposed" else "approved", clock(one.at)), ("changed", clock(one.updated_at))),
        ("tries", f"{amount(one.attempts, 'attempt')} in all, {one.tries} failed since it was left to the relay"),
    )
    return [(name, text) for name, text in every if text]


def when_next(one: "Outgoing") -> str:
    """What happens next, and when where that is known; "" where it is settled."""
    return f"{one.next} at {clock(one.due_at)}" if one.next == "tried again" and one.due_at is not None else one.next
