"""A model call on its way: what is asked, and what was read and held before a provider gets it."""

from dataclasses import dataclass

from activities.agents.agent import Agent
from activities.money.prices import Tariff
from activities.turns.choices import Candidate
from activities.turns.growth import Bounds, StepSize
from contracts.agents import AgentRef, Choice
from contracts.conversation import ModelRequest, Usage
from contracts.turns import CallModel
from ledger.money.rates import Taken


@dataclass(frozen=True)
class Call:
    """A request with nothing left open, its agent, and what the run will go by where this call lets it in."""

    request: CallModel
    ref: AgentRef
    agent: Agent
    attempt: int
    bounds: Bounds


@dataclass(frozen=True)
class Started:
    """What was read and held before a call."""

    prompt: ModelRequest
    candidate: Candidate
    provider: str
    tariff: Tariff
    """By what the call is charged, also where the price changes while it runs."""
    most: Usage
    """The most that it can use, for which money is reserved."""
    reservation: str
    read: tuple[str, ...]
    taint: tuple[str, ...]
    size: StepSize
    """Of the step before this call."""
    cache: str = ""
    """Under which digest a reply may be kept; "" where the agent does not opt in."""
    replaced: int = 0
    """How many older tool results the prompt shows as references for the first time."""
    origin: str = ""
    """The turn in which the reply was paid for, where it was kept and nothing is asked."""
    taken: Taken | None = None
    """What was counted of a limit per minute; None where there is none."""

    @property
    def choice(self) -> Choice:
        """The choice that answers."""
        return self.candidate.choice
