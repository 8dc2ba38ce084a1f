"""A second agent's look at the claims of a step: what it refutes or cannot support stands at the next gates."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from contracts.agents import AgentPin
from contracts.handoff import Handoff
from contracts.rechecks import ClaimsTask, Doubts, Rechecked, not_checked, not_confirmed, to_check
from contracts.repositories import Workspace
from contracts.text import amount
from workflows.kit.kit import Kit
from workflows.kit.resources import StepResource
from workflows.kit.step import CouldNot, Done, Step, Unsure

AskAgain = Callable[[str, str, ClaimsTask, Sequence[StepResource]], Awaitable[Step[Rechecked]]]
"""Has an agent look at claims: its path, its name, the claims, and what it may read."""


def readable(pin: AgentPin, resources: Sequence[StepResource]) -> tuple[StepResource, ...]:
    """What the second agent is given of a step's resources: those kinds that it declares, to be read only."""
    found = []
    for one in resources:
        kind = "workspace" if isinstance(one, Workspace) else one.kind
        if kind in pin.resources:
            found.append(one.model_copy(update={"access": "read"}))
    return tuple(found)


async def rechecked(
    kit: Kit, path: str, pin: AgentPin, handoff: Handoff[Any], resources: Sequence[StepResource], again: AskAgain
) -> tuple[Handoff[Any], Doubts]:
    """The handoff with every claim unsupported that the second agent does not confirm, and why; unchanged without one.

    `path` is the step's; the second agent's is below it. Where that one could not answer, no claim is confirmed.
    """
    task = to_check(handoff)
    if not pin.suspects or handoff.outcome == "could_not" or not task.claims:
        return handoff, {}
    other = kit.pins.agents[pin.suspects]
    count = amount(len(task.claims), "claim")
    kit.note(f"{other.label} re-checks {count} of {pin.label}", "", "what it doubts stands at the next gates")
    step = await again(f"{path}/suspects", other.name, task, readable(other, resources))
    doubts = _doubts(task, step, other.label)
    if not doubts:
        return handoff, {}
    told = "; ".join(one.words for one in doubts.values())
    kit.note(f"{other.label} doubts {len(doubts)} of {count}", told[:1000], alert="claims_doubted")
    return handoff.model_copy(update={"unsupported": tuple(sorted({*handoff.unsupported, *doubts}))}), doubts


def _doubts(task: ClaimsTask, step: Step[Rechecked], who: str) -> Doubts:
    match step.ended:
        case Done(body):
            return not_confirmed(task, body, who)
        case Unsure(reason) | CouldNot(reason):
            return not_checked(task, who, reason)
