"""What a step gives back: how it ended, in a form that nobody can use without saying what happens where it is not done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.base import Contract
from contracts.handoff import Handoff, Outcome
from contracts.people import Clarified, as_text
from contracts.repositories import Workspace
from workflows.kit.ends import Ended

B = TypeVar("B", bound=Contract)


@dataclass(frozen=True)
class Done(Generic[B]):
    """The agent is done, and sure enough of its body."""

    body: B


@dataclass(frozen=True)
class Unsure(Generic[B]):
    """The agent is not sure: why, and the body as far as it has one."""

    reason: str
    body: B | None


@dataclass(frozen=True)
class CouldNot:
    """The agent could not, and says why."""

    reason: str


@dataclass(frozen=True)
class Step(Generic[B]):
    """How a step of an agent ended. The body is had by `needed`, by `or_else`, by `as_far`, or by a match on `ended`.

    `handoff` is for what stands beside the body: its id for the next agent's `inputs`, its claims, its confidence. `workspace`
    is the workspace as the step's edits left it, `made` the body's own bytes as the agent made it, `answers` what people have
    answered the agent on the way.
    """

    handoff: Handoff[B]
    workspace: Workspace | None
    made: str
    answers: tuple[Clarified, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """`done`, `unsure` or `could_not`."""
        return self.handoff.outcome

    @property
    def ended(self) -> Done[B] | Unsure[B] | CouldNot:
        """The outcome as a value to match on; a type checker sees whether all three are routed."""
        handoff = self.handoff
        if handoff.outcome == "done" and handoff.body is not None:
            return Done(handoff.body)
        if handoff.outcome == "could_not":
            return CouldNot(handoff.reason)
        return Unsure(handoff.reason, handoff.body)

    def needed(self) -> B:
        """The body of a step that is done. Otherwise the run ends here as `could_not`, with the agent and its reason."""
        match self.ended:
            case Done(body):
                return body
            case Unsure(reason) | CouldNot(reason):
                raise Ended(f"{self.handoff.producer.agent} {_SAID[self.outcome]}: {reason}")

    def or_else(self, otherwise: Callable[[str], B]) -> B:
        """The body of a step that is done; otherwise what `otherwise` makes of the reason, which names what people answered."""
        match self.ended:
            case Done(body):
                return body
            case Unsure(reason) | CouldNot(reason):
                return otherwise(f"{reason};{as_text(self.answers)}" if self.answers else reason)

    def as_far(self, tell: Callable[[str], None]) -> B | None:
        """The body as far as the agent has one. Where it is not done `tell` is told so, with the reason."""
        match self.ended:
            case Done(body):
                return body
            case Unsure(reason, body):
                tell(f"is unsure: {reason}")
                return body
            case CouldNot(reason):
                tell(f"could not: {reason}")
                return None


_SAID = {"done": "is done", "unsure": "is unsure", "could_not": "could not"}
