"""What a second agent said of the claims of handoffs that enter a prompt: read from the ledger, so that any worker, and any
child of the run, marks the same claims.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from activities.agents.agent import Agent
from contracts.agents import AgentPin
from contracts.handoff import Handoff
from contracts.rechecks import ClaimsTask, Doubts, Rechecked, not_checked, not_confirmed, to_check
from ledger import handoffs, runs


@dataclass(frozen=True)
class Rechecks:
    """Doubts by the handoff whose claims they are about, and the handoffs in whose words they are."""

    doubts: Mapping[str, Doubts] = field(default_factory=dict)
    by: tuple[Handoff[Any], ...] = ()


def rechecks(connection: Connection, inputs: Sequence[Handoff[Any]], agent: Agent) -> Rechecks:
    """What second agents doubt of these handoffs, as the coordinator took it. Nothing for an agent that re-checks itself."""
    claiming = [one for one in inputs if to_check(one).claims]
    if not claiming or agent.takes is ClaimsTask:
        return Rechecks()
    doubts, by = dict[str, Doubts](), list[Handoff[Any]]()
    for one in claiming:
        began = runs.find_pins(connection, one.trace)
        pin = None if began is None else began.agents.get(one.producer.agent)
        if began is None or pin is None or not pin.suspects or pin.version != one.producer.version:
            continue
        said = _that_counts(handoffs.made_from(connection, one.id, Rechecked.contract))
        doubts[one.id] = _doubts(to_check(one), said, began.agents[pin.suspects])
        by += [said] if said is not None else []
    return Rechecks(doubts, tuple(by))


def _that_counts(said: Sequence[Handoff[Any]]) -> Handoff[Any] | None:
    """Of a step that was repeated by another model, the repetition, unless that could not: as `ask` takes it."""
    return next((one for one in reversed(said) if one.outcome != "could_not"), said[-1] if said else None)


def _doubts(task: ClaimsTask, said: Handoff[Any] | None, pin: AgentPin) -> Doubts:
    if said is None:
        return not_checked(task, pin.label, "gave no answer")
    body = said.read_as(Rechecked)
    if said.outcome != "done" or body is None:
        return not_checked(task, pin.label, said.reason)
    if said.confidence < pin.minimum_confidence:
        return not_checked(task, pin.label, f"is {said.confidence} of 1000 sure")
    return not_confirmed(task, body, pin.label)
