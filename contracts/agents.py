"""An agent as a file: what its front matter says, and what a run pins of it."""

import datetime
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from contracts.base import Contract, Digest, Input, PerMille, Span, is_empty, is_none
from contracts.step_resources import Access, ResourceKind

MODEL = r"^[a-z][a-z0-9_-]*:.+$"
"""A model by its provider: `provider:model`."""

When = Literal["first", "outage", "invalid", "unsure"]
"""When a choice is tried: for any call; where those before it are away; after a reply that could not be used; and for a whole
step once more, after one that ended unsure."""

Risk = Literal["low", "medium", "high"]

Effort = Literal["full", "auto"]
"""auto: a small model looks at the task first, and what it does not need is skipped."""


class Limits(Input):
    """What ends a step of this agent. Money never does: it parks the run."""

    turns: int = Field(default=24, ge=1, le=10_000, description="model replies, repairs included")
    output_tokens: int = Field(default=8000, ge=1, description="of one reply")
    tokens: int = Field(default=400_000, ge=1, description="input and output of the whole step")
    context: int = Field(default=150_000, ge=1, description="input tokens of one call")
    context_target: int | None = Field(
        default=None,
        ge=1,
        exclude_if=is_none,
        description="input tokens of one call above which older tool results give way to references",
    )
    wall: Span = Field(default=timedelta(minutes=30), description="of the step; waiting for people does not count")
    call: Span = Field(default=timedelta(minutes=5), description="of one model call")
    clarify: int = Field(default=3, ge=0, le=10, description="rounds of questions to a person")


def _lifetime(value: object) -> object:
    """A duration as text, or false. A plain number would leave open of what."""
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
    model_class: str = Field(alias="class", description="which class of routes.toml answers")
    tools: tuple[str, ...] = ()
    resources: dict[ResourceKind, Access] = Field(
        default={}, description="what a step has to give it to work on: workspace, database, folder, logs; each read or write"
    )
    takes: str = Field(description="name of the contract that is its task")
    returns: str = Field(description="name of the contract that is its result")
    minimum_confidence: PerMille = 0
    limits: Limits = Limits()
    parallel: bool = Field(default=True, description="False: its tool calls run one after the other")
    cache: Lifetime = Field(default=None, description="how long a reply may answer an equal call again; false: it may not")
    fallback: str | None = Field(
        default=None, pattern=r"^(function|agent):[a-z][a-z0-9_]*$", description="what stands in when no model can be asked"
    )
    no_fallback: str = Field(default="", description="why nothing can honestly stand in")
    owns: str
    never: tuple[str, ...]
    escalates_when: tuple[str, ...]


class ToolPin(Contract):
    """A tool of a pinned agent: its name and whether it changes the workspace."""

    name: str
    effect: Literal["none", "workspace"]


class Price(Input):
    """Micro-dollars per million tokens. What is not said of a provider's cache costs as plain input."""

    input: int = Field(ge=0)
    output: int = Field(ge=0)
    cache_read: int | None = Field(default=None, ge=0, description="input that the provider had in its cache")
    cache_write: int | None = Field(default=None, ge=0, description="input that the provider puts into its cache")

    def parts(self) -> tuple[int | None, ...]:
        """All of it, in the order of the fields."""
        return self.input, self.output, self.cache_read, self.cache_write


class DatedPrice(Price):
    """A table `[prices."provider:model"]` of routes.toml. Its date is the name under which costs are recorded."""

    date: datetime.date


class Choice(Input):
    """One choice of a route: a model by its provider, and when it is tried."""

    model: str = Field(pattern=MODEL, description="provider:model")
    when: tuple[When, ...] = ("first", "outage")
    free: bool = Field(default=False, description="costs nothing, so no price is needed")
    price: Price | None = None
    quality: int = Field(default=0, ge=0, le=9, description="how good it is, for a class with a minimum")
    context: int | None = Field(default=None, ge=1, description="most input tokens of a call that it is asked")
    most_micros: int | None = Field(default=None, ge=0, description="most that one call may cost here, in micro-dollars")
    latency: Span | None = Field(default=None, description="longest that one call may take here")
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1, description="input and output")

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.model.split(":", 1)[0]

    @property
    def model_name(self) -> str:
        """The provider's own name of the model."""
        return self.model.split(":", 1)[1]


class AgentRef(Contract):
    """Which agent version is meant. Small, because every model turn and tool call carries one into history."""

    name: str
    version: str
    digest: Digest
    scripted: bool = Field(default=False, description="no real model answers for it in this run")

    @property
    def label(self) -> str:
        """How people see it: name@version, and that it is scripted where no real model answers."""
        return (f"{self.name}@{self.version}" if self.version else self.name) + (" (scripted)" if self.scripted else "")


class AgentPin(AgentRef, name="agent_pin/1"):
    """What a run pins of an agent when it starts: enough for the coordinator, and the digest of all the rest."""

    takes: str
    returns: str
    tools: tuple[ToolPin, ...] = ()
    resources: dict[ResourceKind, Access] = Field(default={}, exclude_if=is_empty)
    limits: Limits = Limits()
    parallel: bool = True
    minimum_confidence: PerMille = 0
    choices: tuple[Choice, ...] = Field(default=(), description="in order; empty where the ledger keeps them")
    fallback: str = Field(default="", description="what stands in when no model can be asked: function:NAME or agent:NAME")
    steps_up: bool = Field(default=False, description="another choice is asked once more where a step ended unsure")

    @property
    def ref(self) -> AgentRef:
        """The pin without what activities look up by its digest."""
        return AgentRef(name=self.name, version=self.version, digest=self.digest, scripted=self.scripted)
