"""An agent as a file: its front matter, and what a run pins of it."""

import datetime
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from contracts.base import Contract, Digest, Input, PerMille, Span, is_empty, is_none
from contracts.endpoints import CallOptions
from contracts.step_resources import Access, ResourceKind

MODEL = r"^[a-z][a-z0-9_-]*:.+$"
"""A model with its provider: `provider:model`."""

PERSON = "human"
"""The choice of a person instead of a model: `human` for whoever policy allows, `human:NAME` for one person or role."""

ANYBODY = f"{PERSON}:*"
"""How `human` alone is kept."""


def _whole(model: object) -> object:
    return ANYBODY if model == PERSON else model


ModelName = Annotated[str, BeforeValidator(_whole)]

When = Literal["first", "outage", "invalid", "unsure"]
"""When a choice is tried. first: on any call. outage: while all choices before it are unavailable. invalid: after an unusable
reply. unsure: to run a whole step once more after it ended unsure."""

Risk = Literal["low", "medium", "high"]

Effort = Literal["full", "auto"]
"""full: every stage runs. auto: a small model sizes the task first, and stages that it does not need are skipped."""


class Limits(Input):
    """Limits that end a step of this agent. Running out of money never ends a step: it parks the run."""

    turns: int = Field(default=24, ge=1, le=10_000, description="model replies, repairs included")
    output_tokens: int = Field(default=8000, ge=1, description="of one reply")
    tokens: int = Field(default=400_000, ge=1, description="input and output of the whole step")
    context: int = Field(default=150_000, ge=1, description="input tokens of one call")
    context_target: int | None = Field(
        default=None,
        ge=1,
        exclude_if=is_none,
        description="input tokens of one call above which older tool results are replaced by references",
    )
    wall: Span = Field(default=timedelta(minutes=30), description="wall time of the step, without waits for people")
    call: Span = Field(default=timedelta(minutes=5), description="timeout of one model call")
    clarify: int = Field(default=3, ge=0, le=10, description="rounds of questions to a person")


def _lifetime(value: object) -> object:
    """Accept a duration as text, or false. A bare number is refused: nobody could tell its unit."""
    if value is None or value is False:
        return None
    if isinstance(value, str | timedelta):
        return value
    raise ValueError("say how long a reply is kept, as in PT24H, or false")


Lifetime = Annotated[Span | None, BeforeValidator(_lifetime)]


class AgentFile(Input):
    """The front matter of `agents/<name>/vN.md`. An unknown key is refused by name."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    version: int = Field(ge=1)
    model_class: str = Field(alias="class", description="model class in routes.toml")
    tools: tuple[str, ...] = ()
    resources: dict[ResourceKind, Access] = Field(
        default={}, description="what a step has to give it to work on: workspace, database, folder, logs; each read or write"
    )
    takes: str = Field(description="name of the contract that is its task")
    returns: str = Field(description="name of the contract that is its result")
    minimum_confidence: PerMille = 0
    limits: Limits = Limits()
    parallel: bool = Field(default=True, description="False: its tool calls run one after the other")
    cache: Lifetime = Field(default=None, description="how long a reply may be reused for an identical call; false: never")
    fallback: str | None = Field(
        default=None, pattern=r"^(function|agent):[a-z][a-z0-9_]*$", description="what stands in when no model is available"
    )
    no_fallback: str = Field(default="", description="why no fallback can honestly stand in")
    reader: bool = Field(default=False, description="true: it turns text from outside into typed fields, and has no tools")
    suspects: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="an agent of another class that re-checks the claims of each of its steps",
    )
    owns: str
    never: tuple[str, ...]
    escalates_when: tuple[str, ...]


class ToolPin(Contract):
    """A tool of a pinned agent: its name and whether it changes the workspace."""

    name: str
    effect: Literal["none", "workspace"]


class Price(Input):
    """Prices in micro-dollars per million tokens. A cache price of None means the plain input price."""

    input: int = Field(ge=0)
    output: int = Field(ge=0)
    cache_read: int | None = Field(default=None, ge=0, description="input read from the provider's cache")
    cache_write: int | None = Field(default=None, ge=0, description="input written to the provider's cache")

    def parts(self) -> tuple[int | None, ...]:
        """All four prices, in the order of the fields."""
        return self.input, self.output, self.cache_read, self.cache_write


class DatedPrice(Price):
    """A table `[prices."provider:model"]` of routes.toml. Its date is recorded as the price version of what it prices."""

    date: datetime.date


class Choice(CallOptions):
    """One choice of a route: a model, or a person, and when it is tried."""

    model: ModelName = Field(pattern=MODEL, description="provider:model; human, or human:NAME, where a person does the step")
    when: tuple[When, ...] = ("first", "outage")
    free: bool = Field(default=False, description="costs nothing, so no price is needed")
    price: Price | None = None
    quality: int = Field(default=0, ge=0, le=9, description="how good the model is, compared with a class's minimum")
    context: int | None = Field(default=None, ge=1, description="largest call that it is given, in input tokens")
    most_micros: int | None = Field(default=None, ge=0, description="most that one call may cost here, in micro-dollars")
    latency: Span | None = Field(default=None, description="timeout of one call here")
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1, description="input and output")

    @property
    def is_person(self) -> bool:
        """True if no model is asked: the step waits at a gate `work` for a person."""
        return self.provider == PERSON

    @property
    def options(self) -> CallOptions | None:
        """What a call asks for beyond its model; None for nothing."""
        found = CallOptions(**{name: getattr(self, name) for name in CallOptions.model_fields})
        return None if found == CallOptions() else found

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.model.split(":", 1)[0]

    @property
    def model_name(self) -> str:
        """The provider's own name of the model; of a person who it has to be, * for anybody."""
        return self.model.split(":", 1)[1]


class AgentRef(Contract):
    """Names one agent version. Small, because every model turn and tool call writes one into history."""

    name: str
    version: str
    digest: Digest
    scripted: bool = Field(default=False, description="no real model answers for this agent in this run")
    keyless: bool = Field(
        default=False,
        exclude_if=is_empty,
        description="no model could be reached when the run began: its fallback does each step",
    )

    unmetered: bool = Field(
        default=False,
        exclude_if=is_empty,
        description="an outside program may do its steps: what they cost is unknown",
    )

    @property
    def label(self) -> str:
        """name@version as people see it, with "(scripted)", "(degraded)" or "(unmetered)" where no model of ours answers."""
        stamp = " (unmetered)" if self.unmetered else " (scripted)" if self.scripted else " (degraded)" if self.keyless else ""
        return (f"{self.name}@{self.version}" if self.version else self.name) + stamp


class AgentPin(AgentRef, name="agent_pin/1"):
    """What a run pins of an agent when it starts: what the coordinator needs, and a digest of the rest."""

    takes: str
    returns: str
    tools: tuple[ToolPin, ...] = ()
    resources: dict[ResourceKind, Access] = Field(default={}, exclude_if=is_empty)
    limits: Limits = Limits()
    parallel: bool = True
    minimum_confidence: PerMille = 0
    choices: tuple[Choice, ...] = Field(default=(), description="in order; empty where the ledger keeps them")
    fallback: str = Field(default="", description="what stands in when no model is available: function:NAME or agent:NAME")
    steps_up: bool = Field(default=False, description="a step that ended unsure is run once more with another choice")
    reader: bool = Field(default=False, exclude_if=is_empty, description="it is given raw text from outside, and has no tools")
    suspects: str = Field(default="", exclude_if=is_empty, description="the agent that re-checks its claims; empty: none does")

    @property
    def ref(self) -> AgentRef:
        """The pin without what activities look up by its digest."""
        return AgentRef(**{name: getattr(self, name) for name in AgentRef.model_fields})
