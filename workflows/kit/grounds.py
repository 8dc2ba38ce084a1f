"""What the steps of a run say about what it is about to do: how sure they were, and what flowed into them. Pure."""

from dataclasses import dataclass
from typing import Any

from temporalio import workflow

from contracts.base import PerMille
from contracts.handoff import Handoff, Outcome
from contracts.risk import Circumstances
from contracts.rules import Facts
from contracts.runs import RunRef


@dataclass(frozen=True)
class Ground:
    """What counts of one step's handoff."""

    path: str
    outcome: Outcome
    confidence: PerMille
    unsupported: int
    claims: int
    degraded: bool


class Grounds:
    """The newest step of each agent, and every untrusted source that any step has read."""

    def __init__(self) -> None:
        self._newest: dict[str, Ground] = {}
        self._taint: dict[str, None] = {}

    def add(self, agent: str, handoff: Handoff[Any]) -> None:
        """Take a step into account. A later step of the same agent replaces it, but not what had flowed into it."""
        self._newest[agent] = _ground(handoff)
        self._taint.update(dict.fromkeys(handoff.taint))

    @property
    def taint(self) -> tuple[str, ...]:
        """The untrusted sources, in the order in which they were read."""
        return tuple(self._taint)

    def into(self, about: Facts) -> Facts:
        """The facts with what the steps say."""
        steps = tuple(self._newest.values())
        # What could not be done is of no confidence, and says nothing that anything could rest on.
        sure = [one.confidence for one in steps if one.outcome != "could_not"]
        known = {
            "taint": tuple(dict.fromkeys((*about.taint, *self._taint))),
            "confidence": min(sure, default=None),
            "unsupported": about.unsupported + sum(one.unsupported for one in steps),
            "degraded": about.degraded + sum(one.degraded for one in steps),
            "unsure": about.unsure + sum(one.outcome != "done" for one in steps),
            "claims": sum(one.claims for one in steps),
        }
        return about.model_copy(update=known)

    def circumstances(self, about: Facts, reversible: str = "") -> Circumstances:
        """What the risk of saying yes is computed from. `reversible`: of what happens then; "": nothing outside does."""
        return Circumstances(
            reversible=reversible,
            taint=self.taint,
            lines=about.lines,
            environment=about.environment,
            unsupported=sum(one.unsupported for one in self._newest.values()),
            degraded=tuple(one.path for one in self._newest.values() if one.degraded),
            unsure=tuple(name for name, one in self._newest.items() if one.outcome != "done"),
        )


def _ground(handoff: Handoff[Any]) -> Ground:
    return Ground(
        path=handoff.path,
        outcome=handoff.outcome,
        confidence=handoff.confidence,
        unsupported=len(handoff.unsupported),
        claims=len(handoff.claims),
        degraded=bool(handoff.degraded),
    )


def handoff_facts(ref: RunRef, handoff: Handoff[Any]) -> Facts:
    """What rules about an agent's step go by."""
    grounds = Grounds()
    grounds.add("", handoff)
    facts = grounds.into(Facts(project=ref.project, pipeline=workflow.info().workflow_type))
    return facts.model_copy(update={"outcome": handoff.outcome, "confidence": handoff.confidence})
