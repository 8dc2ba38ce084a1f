"""Steps that a rule of policy wants a person to look at before anything is made of them."""

from typing import Any

from contracts.agents import AgentPin
from contracts.handoff import Handoff
from contracts.rules import fires
from workflows.kit.gate import Ask, gate
from workflows.kit.grounds import handoff_facts
from workflows.kit.kit import Kit


async def reviewed(kit: Kit, pin: AgentPin, handoff: Handoff[Any]) -> Handoff[Any]:
    """The handoff, once a person has approved it where a rule asks for that; it is `unsure` if nobody did.

    Without such a rule, and for a step that could not be done, it returns at once.
    """
    if handoff.outcome == "could_not":
        return handoff
    facts = handoff_facts(kit.ref, handoff)
    fired = [one for one in kit.pins.rules if one.gate and one.agent in (pin.name, "*") and fires(one, facts)]
    if not fired:
        return handoff
    decided = await gate(
        kit,
        Ask(
            kind="policy",
            title=f"may the run go on with what {pin.label} made?",
            subject=handoff.model_dump_json(),
            facts=(
                *(f"policy: rule {one.name}: {one.why}" for one in fired),
                f"{handoff.outcome}, confidence {handoff.confidence} of 1000",
                f"{len(handoff.unsupported)} of {len(handoff.claims)} claims without checked evidence",
            ),
            narrative=handoff.reason,
        ),
    )
    if decided.verb == "approve":
        return handoff
    who = f" by {decided.by}" if decided.by else ""
    reason = f"{decided.verb} at {decided.gate}{who}: {decided.note}".rstrip(": ")
    return handoff.model_copy(update={"outcome": "unsure", "reason": reason})
