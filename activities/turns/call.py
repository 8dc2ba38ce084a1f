"""A model call under way: the request, and what was read and reserved before the provider gets it."""

from dataclasses import dataclass
from datetime import datetime

from activities.agents.agent import Agent
from activities.money.prices import Tariff
from activities.turns.choices import Candidate
from activities.turns.growth import Bounds, StepSize
from contracts.agents import AgentRef, Choice
from contracts.conversation import ModelRequest, Usage
from contracts.handoff import ByPerson
from contracts.turns import CallModel
from ledger.money.rates import Taken


@dataclass(frozen=True)
class Call:
    """A complete request, its agent, and the bounds for unusually large steps."""

    request: CallModel
    ref: AgentRef
    agent: Agent
    attempt: int
    bounds: Bounds
    at: datetime
    """When the attempt began, by Temporal's clock: the day and the month that it counts for."""


@dataclass(frozen=True)
class Started:
    """What was read and reserved before a call."""

    prompt: ModelRequest
    candidate: Candidate
    provider: str
    tariff: Tariff
    """What the call is charged by, even if the price changes while it runs."""
    most: Usage
    """The most tokens that it can use, for which money is reserved."""
    reservation: str
    read: tuple[str, ...]
    taint: tuple[str, ...]
    size: StepSize
    """Size of the step before this call."""
    rechecked: tuple[str, ...] = ()
    """Handoffs of second agents, whose words on claims stand in the prompt."""
    cache: str = ""
    """Digest under which a reply may be cached; "" if the agent does not opt in."""
    replaced: int = 0
    """Number of older tool results that the prompt shows as references for the first time."""
    origin: str = ""
    """The turn that paid for the reply, if it comes from the cache; "" if a model is asked."""
    answered_by: Tariff | None = None
    """The tariff of the model that answered, if that is another one than was asked and has a price; set after the call."""
    person: ByPerson | None = None
    """Who has answered instead of a model."""
    taken: Taken | None = None
    """What was taken of the rate limit; None if there is none."""

    @property
    def choice(self) -> Choice:
        """The choice that answers."""
        return self.candidate.choice
