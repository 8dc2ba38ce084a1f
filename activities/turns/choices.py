"""Which of a route's choices answers a call. Pure: breakers and the clock come in as arguments.

In this order: after an unusable reply or an unsure step the choices for that, but for the one that is asked first anyway; then
the `first` ones; then, if those are unavailable, the `outage` ones. Within each group the order is that of routes.toml.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from activities.agents.routes import steps_up_to
from activities.providers.base import ErrorKind
from contracts.agents import Choice, When
from contracts.away import ModelsAway
from contracts.breakers import Breakers
from contracts.errors import BatonError
from ledger.db import from_us

PROBING = 5_000_000
"""Microseconds after which a caller looks again while another call has the probe."""

REFUSALS: frozenset[ErrorKind] = frozenset({"bad_request", "filtered", "unsupported"})
"""Kinds of errors by which a model or an endpoint refuses a call that another one may take."""

PERSON_NEEDED: frozenset[str] = frozenset({"authentication", "credit", "permission", "not_found", "drift"}) | REFUSALS
"""Kinds of errors that only a person can fix."""


class Unfit(BatonError):
    """The call is larger or more expensive than its choice allows; the next choice is asked."""


class NothingOlder(Unfit):
    """The call is too large and has no older tool results that could be left out."""


class ProbeTaken(BatonError):
    """Another call has the probe of this model's breaker; its result decides for all."""


Why = Literal["outage", "rate", "refused", "unfit"]


@dataclass(frozen=True)
class Passed:
    """A choice that was passed over: why, and until when asking it is useless (0: it is not unavailable).

    `breaker`: the circuit breaker that is open for it, or "".
    """

    model: str
    kind: Why
    why: str
    until: int = 0
    breaker: str = ""


@dataclass(frozen=True)
class Candidate:
    """A choice whose turn it is, why it would answer, and the breakers that this call probes for everybody.

    `shorter`: it has found the call too large, and gets it once more with references for all older tool results.
    """

    choice: Choice
    chosen: When
    probes: tuple[str, ...] = ()
    shorter: bool = False
    why: str = ""
    """Why those before it do not answer."""

    def after(self, passed: Sequence[Passed], probes: tuple[str, ...]) -> "Candidate":
        """The same after others were passed over: if it answers because they are unavailable, it is chosen for `outage`."""
        away = any(one.kind in ("outage", "refused") for one in passed)
        chosen: When = "outage" if away and self.chosen == "first" else self.chosen
        why = "; ".join(f"{one.model}: {one.why}" for one in passed)[:2000]
        return replace(self, chosen=chosen, probes=probes, why=why)


def ordered(choices: Iterable[Choice], tried: When) -> list[Candidate]:
    """The choices in the order in which they are asked, each once."""
    choices = list(choices)
    stepped = [Candidate(one, tried) for one in steps_up_to(choices, tried)] if tried in ("invalid", "unsure") else []
    known = [one.choice for one in stepped]
    first = [Candidate(one, "first") for one in choices if "first" in one.when and one not in known]
    outage = [Candidate(one, "outage") for one in choices if "outage" in one.when and "first" not in one.when]
    later = [one for one in outage if one.choice not in known]
    if not first:  # the first choices have no key on this worker, or are not good enough
        first, later = [replace(one, chosen="first") for one in later], []
    return [*stepped, *first, *later]


def eligible(candidate: Candidate, passed: Sequence[Passed]) -> bool:
    """False for a choice that is only for outages, while the ones before it are merely rate limited."""
    return candidate.chosen != "outage" or not any(one.kind == "rate" for one in passed)


def breakers_of(choice: Choice) -> tuple[str, ...]:
    """Names of the breakers that guard a choice, its provider's first; none for a script or a person, who have no outages."""
    return () if choice.is_person or choice.provider == "scripted" else (f"provider:{choice.provider}", f"model:{choice.model}")


@dataclass(frozen=True)
class Standing:
    """State of some breakers: `until` when `breaker` lets no call through (0: they all do), or which ones to probe."""

    until: int = 0
    why: str = ""
    probes: tuple[str, ...] = ()
    breaker: str = ""

    @property
    def person_needed(self) -> bool:
        """True if waiting alone does not help."""
        return self.why.partition(":")[0] in PERSON_NEEDED


def standing(names: Iterable[str], rows: Mapping[str, Any], who: str, now: int) -> Standing:
    """The state of these breakers for this caller."""
    probes = []
    for name in names:
        row = rows.get(name)
        if row is None or row.state == "closed":
            continue
        if row.state == "open" and row.until > now:
            return Standing(row.until, row.reason, breaker=name)
        # Another call has the probe, whose result decides for everybody: look again soon.
        if row.state == "half_open" and row.probe_until > now and row.probe != who:
            return Standing(min(row.probe_until, now + PROBING), row.reason, breaker=name)
        probes.append(name)
    return Standing(probes=tuple(probes))


def passed_by(choice: Choice, found: Standing) -> Passed:
    """A choice whose breaker is open."""
    return Passed(choice.model, "refused" if found.person_needed else "outage", found.why, found.until, found.breaker)


def unfit(choice: Choice, tokens: int, micros: int) -> str | None:
    """Why this choice refuses a call of so many input tokens that may cost so much; None if it takes it."""
    if choice.context is not None and tokens > choice.context:
        return f"{choice.model} takes at most {choice.context} input tokens here, and the call may have {tokens}"
    if choice.most_micros is not None and micros > choice.most_micros:
        return f"{choice.model} may cost at most {choice.most_micros} micro-dollars a call, and this one may cost {micros}"
    return None


def away(passed: Sequence[Passed], settings: Breakers, now: int) -> ModelsAway | None:
    """What to tell a run whose choices were all passed over; None if no waiting helps."""
    waiting = [one for one in passed if one.kind != "unfit"]
    if not waiting:
        return None
    # A choice that only a person can fix does not keep the run from waiting for another one.
    hopeful = [one for one in waiting if one.kind != "refused"] or waiting
    soonest = min(hopeful, key=lambda one: one.until)
    patience = {"rate": settings.rate_patience, "refused": timedelta()}.get(soonest.kind, settings.patience)
    why = "; ".join(f"{one.model}: {one.why}" for one in passed)[:2000]
    assert soonest.kind != "unfit"
    breakers = tuple(dict.fromkeys(one.breaker for one in passed if one.breaker))
    until = from_us(max(soonest.until, now))
    return ModelsAway(kind=soonest.kind, until=until, why=why, patience=patience, breakers=breakers)
