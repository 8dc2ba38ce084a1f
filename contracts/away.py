"""What a call says that no model takes at present: until when, why, and how long its run should put up with it."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from contracts.base import Contract
from contracts.people import Clarified
from contracts.runs import Request

Away = Literal["outage", "rate", "refused", "agent"]
"""outage: every choice fails. rate: the limit per minute is used up. refused: every choice needs a person first, such as a
valid key. agent: this agent version fails too often, whatever model answers."""


class ModelsAway(Contract, name="models_away/1", brief=True):
    """A call that was not made because nobody can answer it now. Asked again with the same key, it is made once."""

    kind: Away
    until: datetime = Field(description="when to ask again, at the earliest")
    why: str
    patience: timedelta = Field(description="how long waiting makes sense; zero: not at all")


class FallBack(Request, name="fall_back/1"):
    """Ask for a step's result from the agent's declared function, because no model can be asked."""

    agent: str = Field(description="the agent, as the run pinned it: name@version")
    function: str
    task: str
    why: str
    inputs: tuple[str, ...] = ()
    answers: tuple[Clarified, ...] = Field(default=(), description="what people have answered the agent so far")
