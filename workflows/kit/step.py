"""The result of a step, in a form that cannot be used without saying what happens if the step is not done."""

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
    """The agent is done and confident enough in its body."""

    body: B


@dataclass(frozen=True)
class Unsure(Generic[B]):
    """The agent is not sure: the reason, and its body if it has one."""

    reason: str
    body: B | None


@dataclass(frozen=True)
class CouldNot:
    """The agent could not do the step, with the reason."""

    reason: str


@dataclass(frozen=True)
class Step(Generic[B]):
    """How an agent's step ended. Get the body through `needed`, `or_else`, `as_far`, or a match on `ended`.

    `handoff` has everything but the body: its id for the next agent's `inputs`, its claims, its confidence. `workspace` is the
    workspace after the step's edits, `made` the body's bytes as the agent made them, `answers` what people answered the agent.
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
        """The outcome as a value to match on, so that a type checker sees whether all three are handled."""
        handoff = self.handoff
        if handoff.outcome == "done" and handoff.body is not None:
            return Done(handoff.body)
        if handoff.outcome == "could_not":
            return CouldNot(handoff.reason)
        return Unsure(handoff.reason, handoff.body)

    def needed(self) -> B:
        """The body if the step is done; otherwise raises `Ended`, which ends the run as `could_not` with the agent's reason."""
        match self.ended:
            case Done(body):
                return body
            case Unsure(reason) | CouldNot(reason):
                raise Ended(f"{self.handoff.producer.agent} {_SAID[self.outcome]}: {reason}")

    def or_else(self, otherwise: Callable[[str], B]) -> B:
        """The body if the step is done; otherwise what `otherwise` returns for the reason, which names what people answered."""
        match self.ended:
            case Done(body):
                return body
            case Unsure(reason) | CouldNot(reason):
                return otherwise(f"{reason};{as_text(self.answers)}" if self.answers else reason)

    def as_far(self, tell: Callable[[str], None]) -> B | None:
        """The body if the agent has one, else None. If the step is not done, calls `tell` with the outcome and the reason."""
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
