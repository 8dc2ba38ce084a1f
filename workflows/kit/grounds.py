"""What the steps of a run say about what it is about to do: how sure they were, and what flowed into them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from temporalio import workflow

from contracts.base import PerMille
from contracts.handoff import Claim, Handoff, Outcome
from contracts.programs import PROGRAM
from contracts.rechecks import Doubt
from contracts.risk import Circumstances
from contracts.rules import Facts
from contracts.runs import RunRef
from contracts.text import amount


@dataclass(frozen=True)
class Ground:
    """What counts of one step's handoff."""

    path: str
    outcome: Outcome
    confidence: PerMille
    doubtful: tuple[str, ...]
    """Each claim without evidence, in words."""
    claims: int
    degraded: bool
    program: str = ""
    """The outside program that made it; "" for a model or a function."""

    @property
    def unsupported(self) -> int:
        """How many claims have no evidence."""
        return len(self.doubtful)

    def doubts(self, who: str) -> str:
        """A sentence that names the claims without evidence; "" if each has some."""
        if not self.doubtful:
            return ""
        return (
            f"{who}: {self.unsupported} of {amount(self.claims, 'claim')} without verified evidence: {'; '.join(self.doubtful)}"
        )


class Grounds:
    """The newest step of each agent and of each child, and every untrusted source that any of them has read."""

    def __init__(self) -> None:
        self._newest: dict[str, Ground] = {}
        self._children: dict[str, Ground] = {}
        self._taint: dict[str, None] = {}

    def add(self, agent: str, handoff: Handoff[Any], doubts: Mapping[int, Doubt] | None = None) -> None:
        """Take a step into account. A later step of the same agent replaces it, but not what had flowed into it.

        `doubts` says why claims of it do not hold, by their positions.
        """
        self._newest[agent] = _ground(handoff, doubts or {})
        self._taint.update(dict.fromkeys(handoff.taint))

    def add_child(self, who: str, handoff: Handoff[Any]) -> None:
        """Take what a child workflow made into account; something newer of the same maker replaces it."""
        self._children[who] = _ground(handoff)
        self._taint.update(dict.fromkeys(handoff.taint))

    def read(self, sources: Iterable[str]) -> None:
        """Take into account that the run itself was given text from these sources."""
        self._taint.update(dict.fromkeys(sources))

    def forget_children(self) -> None:
        """Leave out what children made: it is done anew. What had flowed into it stays."""
        self._children.clear()

    @property
    def _counting(self) -> dict[str, Ground]:
        return self._newest | self._children

    @property
    def taint(self) -> tuple[str, ...]:
        """The untrusted sources, in the order in which they were read."""
        return tuple(self._taint)

    @property
    def unsupported(self) -> int:
        """How many claims of these steps have no evidence."""
        return sum(one.unsupported for one in self._counting.values())

    @property
    def doubts(self) -> tuple[str, ...]:
        """What stands without evidence in the newest step of each agent: a sentence each."""
        return tuple(said for who, one in self._counting.items() if (said := one.doubts(who)))

    @property
    def programs(self) -> tuple[str, ...]:
        """Whose newest step an outside program did, and which: a sentence each."""
        return tuple(f"{who}: done by the outside program {one.program}" for who, one in self._counting.items() if one.program)

    def into(self, about: Facts) -> Facts:
        """The facts with what the steps say."""
        steps = tuple(self._counting.values())
        # What could not be done is of no confidence, and says nothing that anything could rest on.
        sure = [one.confidence for one in steps if one.outcome != "could_not"]
        known = {
            "taint": tuple(dict.fromkeys((*about.taint, *self._taint))),
            "confidence": min(sure, default=None),
            "unsupported": about.unsupported + sum(one.unsupported for one in steps),
            # The story may have counted the same ones.
            "degraded": max(about.degraded, sum(one.degraded for one in steps)),
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
            unsupported=self.unsupported,
            degraded=tuple(one.path for one in self._counting.values() if one.degraded),
            unsure=tuple(name for name, one in self._counting.items() if one.outcome != "done"),
        )


def _ground(handoff: Handoff[Any], doubts: Mapping[int, Doubt] = MappingProxyType({})) -> Ground:
    provider, _, model = handoff.producer.model.partition(":")
    return Ground(
        path=handoff.path,
        outcome=handoff.outcome,
        confidence=handoff.confidence,
        doubtful=tuple(
            f"{_in_words(handoff.claims[at])}{f' ({doubts[at].words})' if at in doubts else ''}"
            for at in handoff.unsupported
            if at < len(handoff.claims)
        ),
        claims=len(handoff.claims),
        degraded=bool(handoff.degraded),
        program=model if provider == PROGRAM else "",
    )


def _in_words(claim: Claim) -> str:
    return f"{claim.subject}: {claim.attribute} = {claim.value}"


def handoff_facts(ref: RunRef, handoff: Handoff[Any]) -> Facts:
    """What rules about an agent's step go by."""
    grounds = Grounds()
    grounds.add("", handoff)
    facts = grounds.into(Facts(project=ref.project, pipeline=workflow.info().workflow_type))
    return facts.model_copy(update={"outcome": handoff.outcome, "confidence": handoff.confidence})
