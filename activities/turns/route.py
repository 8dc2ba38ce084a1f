"""A call over the choices of its route: which is asked, what a failure means for the next one, and when none is left."""

from collections.abc import Awaitable, Callable, Container, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.providers.base import ProviderError
from activities.turns import choices, failures
from activities.turns.choices import Candidate, NothingOlder, Passed, ProbeTaken, Standing, Unfit, Why
from activities.turns.health import Health, agent_breaker, caller
from contracts.away import ModelsAway
from contracts.turns import CallModel
from ledger.db import from_us
from ledger.money.rates import RateLimited

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Attempt = Callable[[Candidate], Awaitable[T]]


async def over_choices(
    request: CallModel, providers: Container[str], health: Health, attempt: Attempt[T], stored: Callable[[], Awaitable[bool]]
) -> T:
    """The answer of the first available choice. `stored` tells if the call was made before: then no model is needed.

    A person is always available: `attempt` asks them in its own way.

    Raises `ApplicationError`: of type `ModelsAway`, with that contract, if no choice is available now; of a provider error's
    kind if the activity should be retried or nothing helps.
    """
    usable = _usable(request, providers)
    passed: list[Passed] = []
    too_large: ProviderError | None = None
    agent = await _agents_probe(request, health, stored)
    for candidate in usable:
        if not choices.eligible(candidate, passed):
            continue
        choice = candidate.choice
        found = await _standing(choices.breakers_of(choice), request, health)
        # A stored turn is returned whatever the breakers say, so look for it before passing the choice over.
        if found.until and not await stored():
            passed.append(choices.passed_by(choice, found))
            continue
        try:
            return await _shortened_once(attempt, candidate.after(passed, (*found.probes, *agent)))
        except (Unfit, RateLimited, ProbeTaken) as error:
            passed.append(_not_asked(error, candidate, health))
        except ProviderError as error:
            too_large = error if error.kind == "too_large" else too_large
            passed.append(await _after(error, candidate, request, health))
            activity.logger.warning("%s failed, trying the next choice: %s", choice.model, error)
    raise _nobody(request, passed, health, too_large)


async def _shortened_once(attempt: Attempt[T], candidate: Candidate) -> T:
    """An attempt; if the choice finds the call too large, one more in which older tool results are left out."""
    try:
        return await attempt(candidate)
    except ProviderError as error:
        if error.kind != "too_large":
            raise
        try:
            return await attempt(replace(candidate, shorter=True))
        except NothingOlder:
            raise error from None


def _usable(request: CallModel, providers: Container[str]) -> list[Candidate]:
    if request.agent is not None and request.agent.keyless:
        # Not a worker that lacks a key which the run had: the run began so, and its report is stamped.
        why = "no key was set when the run began"
        raise failures.models_away(ModelsAway(kind="refused", until=EPOCH, why=why, patience=timedelta()))
    ordered = choices.ordered(request.choices, request.tried)
    usable = [one for one in ordered if one.choice.is_person or one.choice.provider in providers]
    if not usable:
        wanted = ", ".join(choice.model for choice in request.choices)
        raise failures.permanent("no_model", f"this worker can reach none of {wanted}; set a key, see `baton doctor`")
    return usable


async def _standing(names: Iterable[str], request: CallModel, health: Health) -> Standing:
    """The state of these breakers for this call, now."""
    known = await health.known()  # before the clock is asked: it is heard with them
    return choices.standing(names, known, caller(request), health.now())


async def _agents_probe(request: CallModel, health: Health, stored: Callable[[], Awaitable[bool]]) -> tuple[str, ...]:
    """The agent version's own breaker, if this step has to probe it. Raises `ModelsAway` if it is open."""
    # Only before a step's first call: a step under way is not given up because others failed.
    if request.head or request.agent is None or request.agent.scripted:
        return ()
    name = agent_breaker(request.agent)
    found = await _standing([name], request, health)
    if not found.until or await stored():
        return found.probes
    why = f"circuit breaker open for {name}, which keeps failing, most recently: {found.why}"
    away = ModelsAway(kind="agent", until=from_us(found.until), why=why, patience=timedelta(), breakers=(name,))
    raise failures.models_away(away)


def _not_asked(error: Unfit | RateLimited | ProbeTaken, candidate: Candidate, health: Health) -> Passed:
    """A choice that the reservation refused, as passed over: the provider was not asked."""
    model = candidate.choice.model
    if isinstance(error, Unfit):
        return Passed(model, "unfit", str(error))
    if isinstance(error, RateLimited):
        return Passed(model, "rate", str(error), error.until)
    health.outdated()  # another call has the probe, which our last read did not show yet
    return Passed(model, "outage", str(error), health.now() + choices.PROBING)


async def _after(error: ProviderError, candidate: Candidate, request: CallModel, health: Health) -> Passed:
    """A failed choice, as passed over. Raises what Temporal should retry, and what no other choice can fix."""
    choice = candidate.choice
    if error.recovery == "permanent":
        raise failures.provider_failed(error) from None
    if error.kind == "too_large":
        return Passed(choice.model, "unfit", str(error))
    # A retry does not help, and perhaps no breaker guards it: it is due again after the cooldown of a breaker.
    again = health.now() + health.settings.cooldown // timedelta(microseconds=1)
    if error.kind in choices.REFUSALS:
        # Whatever the breaker says: waiting for it mends nothing of this call.
        return Passed(choice.model, "refused", f"{error.kind}: {error}", again)
    found = await _standing(choices.breakers_of(choice), request, health)
    if found.until:
        # Open now, perhaps by this very failure: ask the next choice at once, because a retry could not reach this one.
        return choices.passed_by(choice, found)
    if error.recovery == "retry":
        # Its breaker is still closed: Temporal retries the activity, and with it this choice, with a back-off.
        raise failures.provider_failed(error, _in_vain(error, health)) from None
    kind: Why = "refused" if error.kind in choices.PERSON_NEEDED else "outage"
    return Passed(choice.model, kind, f"{error.kind}: {error}", again)


def _in_vain(error: ProviderError, health: Health) -> ModelsAway:
    """What the last attempt tells the run: the model does not answer although its breaker is closed."""
    again = from_us(health.now()) + health.settings.cooldown
    return ModelsAway(kind="outage", until=again, why=str(error), patience=health.settings.patience)


def _nobody(request: CallModel, passed: list[Passed], health: Health, too_large: ProviderError | None) -> ApplicationError:
    gone = choices.away(passed, health.settings, health.now())
    if gone is None and too_large is not None:
        # No wait makes it smaller. A person can: by a larger context at the server, or by giving the step up.
        why = "; ".join(f"{one.model}: {one.why}" for one in passed)[:2000]
        gone = ModelsAway(kind="refused", until=from_us(health.now()), why=why, patience=timedelta())
    if gone is None:
        said = "; ".join(one.why for one in passed)
        return failures.permanent("no_choice", f"no choice of {request.name or 'this agent'} takes the call: {said}")
    return failures.models_away(gone)
