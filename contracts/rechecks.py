"""A second look at what an agent claims: the claims as a second agent gets them, and what it says of each."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pydantic import Field

from contracts.base import Contract
from contracts.handoff import Handoff
from contracts.text import one_line


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


class Doubt(NamedTuple):
    """Why a claim does not hold. `refuted`: the second agent found something else; otherwise it could not confirm it."""

    refuted: bool
    words: str


Doubts = dict[int, Doubt]
"""Doubts of a handoff's claims, by their positions."""


def to_check(handoff: Handoff[Any]) -> ClaimsTask:
    """The claims that have checked evidence: the others are marked as unsupported anyway."""
    return ClaimsTask(
        claims=tuple(
            ClaimToCheck(
                number=at,
                subject=one.subject,
                attribute=one.attribute,
                value=one.value,
                quotes=tuple(evidence.quote for evidence in one.evidence),
            )
            for at, one in enumerate(handoff.claims)
            if at not in handoff.unsupported
        )
    )


def not_checked(task: ClaimsTask, who: str, reason: str) -> Doubts:
    """The doubts where `who` gave no verdict at all, for this reason: no claim is confirmed."""
    told = f"not re-checked: {who} {one_line(reason, 200)}"
    return {one.number: Doubt(False, told) for one in task.claims}


def not_confirmed(task: ClaimsTask, body: Rechecked, who: str) -> Doubts:
    """The doubts of `who` that its verdicts leave: every claim counts as unsupported that it does not say holds."""
    return dict(_doubts(task, body, who))


def _doubts(task: ClaimsTask, body: Rechecked, who: str) -> Iterator[tuple[int, Doubt]]:
    said = {one.number: one for one in body.verdicts}
    # Said twice, the worse counts: a list that contradicts itself confirms nothing.
    said |= {one.number: one for one in body.verdicts if one.verdict != "holds"}
    for one in task.claims:
        verdict = said.get(one.number)
        if verdict is None:
            yield one.number, Doubt(False, f"{who} says nothing of it")
        elif verdict.verdict != "holds":
            refuted = verdict.verdict == "refuted"
            how = "refuted" if refuted else "not supported"
            yield one.number, Doubt(refuted, f"{how} by {who}: {one_line(verdict.why, 300)}")
