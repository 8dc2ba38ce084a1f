"""The table `[relay]` of baton.toml: how often, and how far apart, the relay tries an action that is left to it."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.base import Input, Span

Role = Literal["all", "runs", "actions"]
"""What a worker does. runs: all but actions, so that it needs no key of a target. actions: the relay alone."""


class Relaying(Input):
    """Attempts are counted since the action was handed over, or since an operator had it tried again."""

    attempts: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="failed attempts after which the relay gives an action up; waits for an open breaker do not count",
    )
    first: Span = Field(default=timedelta(seconds=2), description="wait after the first failed attempt; each one doubles it")
    longest: Span = Field(default=timedelta(minutes=5), description="the longest wait between two attempts")
    together: int = Field(default=8, ge=1, le=100, description="targets that one relay acts on at the same time")

    @model_validator(mode="after")
    def _doubles(self) -> Self:
        if self.longest < self.first:
            raise ValueError(
                f"longest ({self.longest}) is shorter than first ({self.first}), from which the wait only grows; "
                "set longest to at least first"
            )
        return self

    def wait(self, tries: int) -> timedelta:
        """How long to wait after so many failed attempts, from 1 on."""
        return min(self.first * (1 << min(tries - 1, 40)), self.longest)
