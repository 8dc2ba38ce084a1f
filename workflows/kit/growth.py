"""An unusually large step is held: a person lets it continue, asks for what it has, or ends it."""

from temporalio.exceptions import ActivityError, ApplicationError

from contracts.gates import Decided
from contracts.text import amount
from workflows.kit.bounds import cut
from workflows.kit.conversation import Conversation
from workflows.kit.gate import Ask, hold
from workflows.kit.kit import Kit


class StepStopped(Exception):
    """A person does not let the step continue as it is. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_held(error: ActivityError) -> bool:
    """True if the call was not made because its step is unusually large."""
    return isinstance(error.cause, ApplicationError) and error.cause.type == "GrowthHeld"


async def let_on(kit: Kit, talk: Conversation, error: ActivityError) -> None:
    """Return if the step may continue. Otherwise raises `StepStopped`, with `talk.ending` set to ask for the final output."""
    if "stuck" not in kit.kinds or "stuck" not in kit.pins.gates:
        talk.beyond = True
        return
    why = cut(str(error.cause), 1500)
    # Not a step of the story: the outcome is part of the agent step's state, which a continued run restores.
    decided = await hold(kit, _question(talk, why), lambda: bool(kit.parking.stopped))
    kit.check_stopped()
    if decided.verb == "approve":
        talk.beyond = True
        return
    reason = f"stopped at {decided.gate} ({_said(decided)}): {why}"
    if decided.verb == "request_changes":
        talk.ending = reason
    raise StepStopped(reason)


def _question(talk: Conversation, why: str) -> Ask:
    return Ask(
        kind="stuck",
        title=f"{talk.pin.label} is unusually large and waits before its next call",
        subject=f"{talk.run.path}: {why}",
        facts=(
            why,
            f"{amount(talk.turns, 'turn')} and {talk.tokens} tokens so far; the last call had {talk.context} input tokens",
            "approve: the step continues and is not held again",
            "request_changes: the agent is asked once for its final output with what it has",
            "reject: no further call; the step is unsure, and its changes are kept",
        ),
    )


def _said(decided: Decided) -> str:
    return f"{decided.verb} by {decided.by}: {decided.note}" if decided.by else decided.verb
