"""The table `[breakers]` of baton.toml: when a model, a provider or an agent version is left alone, and for how long."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.base import LONGEST, Input, Span

Patience = Annotated[timedelta, Field(ge=timedelta(), le=LONGEST)]


class Breakers(Input):
    """Failures are counted since the last success. Durations as ISO 8601, such as "PT30S"."""

    failures: int = Field(
        default=5, ge=1, description="of one model, in a row, that open its breaker; a time-out counts thrice"
    )
    agent_failures: int = Field(default=10, ge=1, description="unusable or `could_not` replies of one agent version in a row")
    window: Span = Field(default=timedelta(minutes=15), description="failures longer ago do not count")
    cooldown: Span = Field(default=timedelta(seconds=30), description="before one call tries again")
    longest: Span = Field(default=timedelta(minutes=15), description="each failed try doubles the wait up to this")
    patience: Patience = Field(
        default=timedelta(minutes=15), description="how long a run waits for its models before a fallback or a person"
    )
    rate_patience: Patience = Field(default=timedelta(hours=1), description="the same for a limit per minute")

    @model_validator(mode="after")
    def _doubles(self) -> Self:
        if self.longest < self.cooldown:
            raise ValueError(
                f"longest ({self.longest}) is shorter than cooldown ({self.cooldown}), and the wait only grows from there; "
                "set it to at least that"
            )
        return self
