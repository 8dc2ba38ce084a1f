"""The table `[breakers]` of baton.toml: when a model, a provider or an agent version is left alone, and for how long."""

from datetime import timedelta

from pydantic import Field

from contracts.base import Input

_NONE = timedelta()


class Breakers(Input):
    """Failures are counted since the last success. Durations as ISO 8601, such as "PT30S"."""

    failures: int = Field(
        default=5, ge=1, description="of one model, in a row, that open its breaker; a time-out counts thrice"
    )
    agent_failures: int = Field(default=10, ge=1, description="unusable or `could_not` replies of one agent version in a row")
    window: timedelta = Field(default=timedelta(minutes=15), gt=_NONE, description="failures longer ago do not count")
    cooldown: timedelta = Field(default=timedelta(seconds=30), gt=_NONE, description="before one call tries again")
    longest: timedelta = Field(
        default=timedelta(minutes=15), gt=_NONE, description="each failed try doubles the wait up to this"
    )
    patience: timedelta = Field(
        default=timedelta(minutes=15), ge=_NONE, description="how long a run waits for its models before a fallback or a person"
    )
    rate_patience: timedelta = Field(default=timedelta(hours=1), ge=_NONE, description="the same for a limit per minute")
