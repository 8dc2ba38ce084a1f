"""Where one step of an agent stands: what it was asked, how far it is, and which limit ends it."""

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
from contracts.people import Clarified
from contracts.repositories import Workspace
from contracts.runs import RunRef
from contracts.step_resources import Declared
from contracts.turns import Answered


@dataclass
class Clock:
    """How long a step has worked: the time in which one of its activities ran or was to run.

    Not the time in which it waits for a person, is paused, or lies between a reset and what it goes back to.
    """

    worked: timedelta = timedelta()
    running: int = 0
    since: datetime | None = None

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """Count the time of the block; blocks at the same time count once."""
        if self.running == 0:
            self.since = workflow.now()
        self.running += 1
        try:
            yield
        except GeneratorExit:
            self.since = None  # the workflow leaves the worker's cache, where there is no time
            raise
        finally:
            self.running -= 1
            if self.running == 0 and self.since is not None:
                self.worked += workflow.now() - self.since


@dataclass
class Conversation:
    """Where one step stands."""

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
    """A person has let it go on although it is unusually large."""
    ending: str = ""
    """Why the agent is asked for its final output now, where a person wants that."""
    clock: Clock = field(default_factory=Clock)
    sent: set[str] = field(default_factory=set)
    tried: When = "first"
    degraded: str = ""
    away: dict[str, datetime] = field(default_factory=dict)
    """Since when no model answers, by what it is that they lack."""
    waits: int = 0
    told: bool = False
    """The feed says that it waits."""
    insists: bool = False
    answers: tuple[Clarified, ...] = ()
    """What people have answered it so far."""

    def answered(self) -> None:
        """A model has answered, or is waited for no more."""
        self.away.clear()
        self.waits, self.told = 0, False

    def stand_in(self, pin: AgentPin, why: str) -> "Conversation":
        """The same step for another agent."""
        run = self.run.model_copy(update={"path": f"{self.run.path}/{pin.name}"})
        return replace(self._anew(run), pin=pin, degraded=why)

    def once_more(self) -> "Conversation":
        """The same step from its beginning, for a choice of the agent's class that is asked after one that was unsure."""
        run = self.run.model_copy(update={"path": f"{self.run.path}/again"})
        return replace(self._anew(run), tried="unsure")

    def _anew(self, run: RunRef) -> "Conversation":
        given = (self.pin, self.task, self.inputs, self.workspace, self.occurrence, self.resources)
        return Conversation(run, *given, answers=self.answers)

    def stands(self) -> Talk:
        """Where it stands, for a run that continues this one."""
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
        """Stand where it stood."""
        self.head, self.turns, self.tokens, self.context = talk.head, talk.turns, talk.tokens, talk.context
        self.repairs, self.clock, self.sent = talk.repairs, Clock(talk.worked), set(talk.sent)
        self.beyond, self.ending = talk.beyond, talk.ending
        if self.workspace is not None:
            self.workspace = self.workspace.model_copy(update={"state": talk.state})


def handoff_of(talk: Conversation, answered: Answered | None) -> Handoff[Any]:
    """The handoff that the ledger keeps, put together from what the turn says and what is known here."""
    assert answered is not None
    task, pin = sha256(talk.task.stored()), talk.pin
    known = {name: value for name, value in answered if name not in {"model", "cached"}}
    made = {"model": answered.model, "prompt": task, "cached": answered.cached}
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
    """Which limit ends this step, or None. Money is none of them."""
    limits = talk.pin.limits
    worked = talk.clock.worked
    if talk.ending:
        return talk.ending
    if talk.turns >= limits.turns - 1:
        return f"it may take {limits.turns} turns"
    if talk.tokens >= limits.tokens:
        return f"it may use {limits.tokens} tokens and has used {talk.tokens}"
    if talk.context >= limits.context:
        return f"its conversation may have {limits.context} tokens and has {talk.context}"
    if worked >= limits.wall:
        return f"it may work for {limits.wall} and has worked for {worked}"
    return None


def steps_up(talk: Conversation, handoff: Handoff[Any]) -> bool:
    """True where another choice is asked once more: only where the agent itself was unsure.

    A limit, or a question to a person, is no better with another model.
    """
    alone = handoff.outcome == "unsure" and not handoff.questions and handoff.producer.agent == talk.pin.name
    return alone and talk.pin.steps_up and talk.tried != "unsure" and limit_of(talk) is None
