"""What a call returns while no model is available: until when, why, and how long its run should wait."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from contracts.base import Contract, is_none
from contracts.people import Clarified
from contracts.repositories import Workspace
from contracts.runs import Request

Away = Literal["outage", "rate", "refused", "agent"]
"""outage: every choice fails. rate: the rate limit is used up. refused: every choice needs a person first, for instance to
give it a valid key. agent: this agent version fails too often, whichever model answers."""


class ModelsAway(Contract, name="models_away/1", brief=True):
    """A call that was not made because no model is available. Retried with the same key it is made once."""

    kind: Away
    until: datetime = Field(description="earliest time to retry")
    why: str
    patience: timedelta = Field(description="how long a run should wait; zero: not at all")
    breakers: tuple[str, ...] = Field(default=(), description="the circuit breakers that keep the call from being made")


class FallBack(Request, name="fall_back/1"):
    """Ask the agent's declared fallback function for a step's result, because no model is available."""

    agent: str = Field(description="the agent, as the run pinned it: name@version")
    function: str
    task: str
    why: str
    inputs: tuple[str, ...] = ()
    answers: tuple[Clarified, ...] = Field(default=(), description="what people have answered the agent so far")
    workspace: Workspace | None = Field(default=None, exclude_if=is_none, description="the files that the step works on")
