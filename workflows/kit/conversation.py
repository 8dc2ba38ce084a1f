"""The state of one agent step: its task, its progress, and the limit that ends it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from contracts.agents import AgentPin, When
from contracts.base import Contract, sha256
from contracts.carried import Talk
from contracts.handoff import Handoff, Producer
from contracts.ids import AGAIN
from contracts.people import Clarified
from contracts.repositories import Workspace
from contracts.runs import RunRef
from contracts.step_resources import Declared
from contracts.text import amount
from contracts.turns import Answered


@dataclass
class Clock:
    """How long a step has worked: the time during which one of its activities was scheduled or running.

    Excludes waits for a person, pauses, and the time between a reset and the point it returns to.
    """

    worked: timedelta = timedelta()
    running: int = 0
    since: datetime | None = None

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """Count the time of the block; overlapping blocks count once."""
        if self.running == 0:
            self.since = workflow.now()
        self.running += 1
        try:
            yield
        except GeneratorExit:
            self.since = None  # evicted from the worker's cache: outside a task there is no workflow time
            raise
        finally:
            self.running -= 1
            if self.running == 0 and self.since is not None:
                self.worked += workflow.now() - self.since


@dataclass
class Conversation:
    """The state of one step."""

    run: RunRef
    pin: AgentPin
    task: Contract
    inputs: tuple[str, ...]
    workspace: Workspace | None
    occurrence: int
    resources: Declared = field(default_factory=Declared)
    head: str = ""
    turns: int = 0
    tokens: int = 0
    context: int = 0
    repairs: int = 0
    beyond: bool = False
    """A person let it continue although it is unusually large."""
    ending: str = ""
    """Why the agent must give its final output now; "" unless a person asked for that."""
    clock: Clock = field(default_factory=Clock)
    sent: set[str] = field(default_factory=set)
    tried: When = "first"
    degraded: str = ""
    away: dict[str, datetime] = field(default_factory=dict)
    """Since when no model was available, by the kind of outage."""
    breakers: tuple[str, ...] = ()
    """The circuit breakers for which no model was available, the last time."""
    waits: int = 0
    told: bool = False
    """The feed already says that it waits."""
    shown: bool = False
    """The run that this is a child of shows that it waits."""
    insists: bool = False
    """A person said that the models are back: wait at least once more."""
    answers: tuple[Clarified, ...] = ()
    """People's answers so far."""

    def answered(self) -> None:
        """Reset the outage: a model has answered, or the wait is over."""
        self.away.clear()
        self.waits, self.told = 0, False

    def stand_in(self, pin: AgentPin, why: str) -> "Conversation":
        """The same step for a fallback agent."""
        run = self.run.model_copy(update={"path": f"{self.run.path}/{pin.name}"})
        return replace(self._anew(run), pin=pin, degraded=why)

    def once_more(self) -> "Conversation":
        """The same step from the start, for the choice that repeats an unsure step."""
        run = self.run.model_copy(update={"path": self.run.path + AGAIN})
        return replace(self._anew(run), tried="unsure")

    def _anew(self, run: RunRef) -> "Conversation":
        given = (self.pin, self.task, self.inputs, self.workspace, self.occurrence, self.resources)
        return Conversation(run, *given, answers=self.answers)

    def stands(self) -> Talk:
        """The state to carry into a continued run."""
        return Talk(
            head=self.head,
            turns=self.turns,
            tokens=self.tokens,
            context=self.context,
            repairs=self.repairs,
            worked=self.clock.worked,
            sent=tuple(sorted(self.sent)),
            state=None if self.workspace is None else self.workspace.state,
            beyond=self.beyond,
            ending=self.ending,
        )

    def go_on(self, talk: Talk) -> None:
        """Restore the state from the previous run."""
        self.head, self.turns, self.tokens, self.context = talk.head, talk.turns, talk.tokens, talk.context
        self.repairs, self.clock, self.sent = talk.repairs, Clock(talk.worked), set(talk.sent)
        self.beyond, self.ending = talk.beyond, talk.ending
        if self.workspace is not None:
            self.workspace = self.workspace.model_copy(update={"state": talk.state})


def handoff_of(talk: Conversation, answered: Answered | None) -> Handoff[Any]:
    """The handoff as the ledger stores it, from the turn's result and what is known here."""
    assert answered is not None
    task, pin = sha256(talk.task.stored()), talk.pin
    known = {name: value for name, value in answered if name not in {"model", "cached", "person"}}
    made = {"model": answered.model, "prompt": task, "cached": answered.cached, "person": answered.person}
    return Handoff[Any](
        **known,
        contract_name=pin.returns,
        producer=Producer(agent=pin.name, version=pin.version, digest=pin.digest, **made),
        inputs=(*talk.inputs, task),
        trace=talk.run.trace,
        path=talk.run.path,
        degraded=talk.degraded,
    )


def limit_of(talk: Conversation) -> str | None:
    """The limit that ends this step, or None. Ceilings are not among them: they park the run."""
    limits = talk.pin.limits
    worked = talk.clock.worked
    if talk.ending:
        return talk.ending
    if talk.turns >= limits.turns - 1:  # the last turn is for the final output
        return f"its limit of {amount(limits.turns, 'turn')} is reached"
    if talk.tokens >= limits.tokens:
        return f"its token budget of {limits.tokens} is used up ({talk.tokens} used)"
    if talk.context >= limits.context:
        return f"its context limit of {limits.context} tokens is reached ({talk.context} used)"
    if worked >= limits.wall:
        return f"its time limit of {limits.wall} is reached ({worked} worked)"
    return None


def steps_up(talk: Conversation, handoff: Handoff[Any]) -> bool:
    """True if the step should be repeated with another choice: only if the agent itself was unsure.

    Another model does not help against a limit, or with a question to a person.
    """
    alone = handoff.outcome == "unsure" and not handoff.questions and handoff.producer.agent == talk.pin.name
    return alone and talk.pin.steps_up and talk.tried != "unsure" and limit_of(talk) is None
