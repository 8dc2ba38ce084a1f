"""When a step counts as unusually large, and what follows from it."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from contracts.base import Input

Follows = Literal["off", "alert", "hold"]
"""Nothing; a line of the feed that somebody should see; the line, and the step waits for a person before its next call."""


class Growth(Input):
    """The table `[growth]` of baton.toml: an agent's call or step against the median of the same agent version's last ones."""

    multiple: Decimal = Field(
        default=Decimal(3), gt=1, le=1000, description="of the median; above it a call or step is unusual"
    )
    context: Follows = Field(default="alert", description="what follows from a call with an unusual number of input tokens")
    tokens: Follows = Field(default="alert", description="what follows from a step that has used unusually many tokens")
