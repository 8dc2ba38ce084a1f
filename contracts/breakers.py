"""The table `[breakers]` of baton.toml: when the circuit breaker of a model, provider or agent version opens, and how long."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.base import LONGEST, Input, Span

Patience = Annotated[timedelta, Field(ge=timedelta(), le=LONGEST)]


class Breakers(Input):
    """Failures are counted since the last success. Durations as ISO 8601, such as "PT30S"."""

    failures: int = Field(
        default=5, ge=1, description="failures of one model in a row that open its breaker; a timeout counts as three"
    )
    agent_failures: int = Field(default=10, ge=1, description="the same for unusable or `could_not` replies of one agent")
    window: Span = Field(default=timedelta(minutes=15), description="failures older than this do not count")
    cooldown: Span = Field(default=timedelta(seconds=30), description="how long a breaker stays open before one probe call")
    longest: Span = Field(default=timedelta(minutes=15), description="each failed probe doubles the wait up to this")
    patience: Patience = Field(
        default=timedelta(minutes=15),
        description="how long a run waits for its models before it uses a fallback or asks a person",
    )
    rate_patience: Patience = Field(default=timedelta(hours=1), description="the same for a rate limit")

    @model_validator(mode="after")
    def _doubles(self) -> Self:
        if self.longest < self.cooldown:
            raise ValueError(
                f"longest ({self.longest}) is shorter than cooldown ({self.cooldown}), from which the back-off only grows; "
                "set longest to at least cooldown"
            )
        return self
