"""A second look at what an agent claims: the claims as a second agent gets them, and what it says of each."""

from typing import Literal

from pydantic import Field

from contracts.base import Contract


class ClaimToCheck(Contract):
    """One claim, with the quotes that the first agent gave for it."""

    number: int = Field(ge=0, description="names the claim in the answer")
    subject: str
    attribute: str
    value: str
    quotes: tuple[str, ...] = ()


class ClaimsTask(Contract, name="claims_to_check/1"):
    """The second agent's task: what another agent claims, and what it quotes for it."""

    claims: tuple[ClaimToCheck, ...]


class ClaimVerdict(Contract):
    """What the second agent says of one claim."""

    number: int = Field(ge=0, le=1000, description="of the claim")
    verdict: Literal["holds", "refuted", "unsupported"] = Field(
        description="holds: the material shows it; refuted: it shows something else; unsupported: it does not show it"
    )
    why: str = Field(max_length=500, description="what the material shows instead, or what is missing")


class Rechecked(Contract, name="rechecked_claims/1"):
    """What the second agent says of every claim. One that it leaves out counts as unsupported."""

    verdicts: tuple[ClaimVerdict, ...] = Field(max_length=50)
