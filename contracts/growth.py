"""When a step counts as unusually large, and what happens then."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from contracts.base import Input

Follows = Literal["off", "alert", "hold"]
"""off: nothing. alert: a feed line that somebody should see. hold: the same, and the step waits for a person."""


class Growth(Input):
    """The table `[growth]` of baton.toml: compares an agent's call or step with the median of its version's recent ones."""

    multiple: Decimal = Field(
        default=Decimal(3), gt=1, le=1000, description="a call or step above this multiple of the median is unusual"
    )
    context: Follows = Field(default="alert", description="what happens on a call with unusually many input tokens")
    tokens: Follows = Field(default="alert", description="what happens once a step has used unusually many tokens")
