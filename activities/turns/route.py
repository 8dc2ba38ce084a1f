"""A call over the choices of its route: who is asked, what a failure means for the next one, and when nobody is left."""

from collections.abc import Awaitable, Callable, Container
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.providers.base import ProviderError
from activities.turns import choices
from activities.turns.choices import Candidate, Passed, ProbeTaken, Unfit
from activities.turns.health import Health, agent_breaker, caller
from activities.turns.replies import Judged
from contracts.agents import Choice
from contracts.away import ModelsAway
from contracts.conversation import ModelReply, Usage
from contracts.runs import Note
from contracts.turns import CallModel
from ledger import feed
from ledger.db import from_us, now_us
from ledger.money import rates, spend
from ledger.money.rates import Rate, RateLimited, Taken

T = TypeVar("T")

Attempt = Callable[[Candidate], Awaitable[T]]


async def over_choices(
    request: CallModel, providers: Container[str], health: Health, attempt: Attempt[T], stored: Callable[[], Awaitable[bool]]
) -> T:
    """What the first choice that can answers. `stored` says whether the call was made before: then nobody need be there.

    Raises `ApplicationError`: `ModelsAway` with the contract of that name where nobody can be asked now, a provider
    error's kind where the activity should try again or nothing helps.
    """
    usable = [one for one in choices.ordered(request.choices, request.tried) if one.choice.provider in providers]
    if not usable:
        wanted = ", ".join(choice.model for choice in request.choices)
        raise _permanent("no_model", f"this worker can reach none of {wanted}; set a key, see `baton doctor`")
    passed: list[Passed] = []
    too_large: ProviderError | None = None
    agent = await _agents_probe(request, health, stored)
    for candidate in usable:
        if not choices.eligible(candidate, passed):
            continue
        choice = candidate.choice
        found = choices.standing(choices.breakers_of(choice), await health.known(), caller(request), now_us())
        if found.until and not await stored():
            passed.append(choices.passed_by(choice, found))
            continue
        try:
            return await attempt(candidate.after(passed, (*found.probes, *agent)))
        except Unfit as error:
            passed.append(Passed(choice.model, "unfit", str(error)))
        except RateLimited as error:
            passed.append(Passed(choice.model, "rate", str(error), error.until))
        except ProbeTaken as error:
            health.outdated()
            passed.append(Passed(choice.model, "outage", str(error), now_us() + choices.PROBING))
        except ProviderError as error:
            too_large = error if error.kind == "too_large" else too_large
            passed.append(await _after(error, candidate, request, health))
            activity.logger.warning("%s failed, trying the next choice: %s", choice.model, error)
    raise _nobody(request, passed, health, too_large)


async def _agents_probe(request: CallModel, health: Health, stored: Callable[[], Awaitable[bool]]) -> tuple[str, ...]:
    """The agent version's own breaker, where this step tries it for all. One that is open begins no step."""
    if request.head or request.agent is None or request.agent.scripted:
        return ()
    name = agent_breaker(request.agent)
    found = choices.standing([name], await health.known(), caller(request), now_us())
    if not found.until or await stored():
        return found.probes
    why = f"{name} is left alone, because it fails again and again, last: {found.why}"
    raise _as_away(ModelsAway(kind="agent", until=from_us(found.until), why=why, patience=timedelta()))


async def _after(error: ProviderError, candidate: Candidate, request: CallModel, health: Health) -> Passed:
    """A failed choice, as passed over. Raises what the activity's own retry should see, and what no other choice mends."""
    if error.verdict == "permanent":
        raise as_failure(error) from None
    if error.kind == "too_large":
        return Passed(candidate.choice.model, "unfit", str(error))
    found = choices.standing(choices.breakers_of(candidate.choice), await health.known(), caller(request), now_us())
    if found.until:
        return choices.passed_by(candidate.choice, found)
    if error.verdict == "retry":
        raise as_failure(error, _in_vain(error, health)) from None
    again = now_us() + health.settings.cooldown // timedelta(microseconds=1)
    kind = "refused" if error.kind in choices.PERSON_NEEDED else "outage"
    return Passed(candidate.choice.model, kind, f"{error.kind}: {error}", again)  # type: ignore[arg-type]


def _in_vain(error: ProviderError, health: Health) -> ModelsAway:
    """What the last attempt's failure says to the run: the model does not answer, and its breaker is closed all the same."""
    again = from_us(now_us()) + health.settings.cooldown
    return ModelsAway(kind="outage", until=again, why=str(error), patience=health.settings.patience)


def _nobody(request: CallModel, passed: list[Passed], health: Health, too_large: ProviderError | None) -> ApplicationError:
    gone = choices.away(passed, health.settings, now_us())
    if gone is None and too_large is not None:
        return as_failure(too_large)
    if gone is None:
        said = "; ".join(one.why for one in passed)
        return _permanent("no_choice", f"no choice of {request.name or 'this agent'} takes the call: {said}")
    return _as_away(gone)


def _as_away(gone: ModelsAway) -> ApplicationError:
    when = f" before {gone.until:%H:%M:%S} UTC" if gone.patience else ""
    said = f"no model can be asked{when}: {gone.why}"
    return ApplicationError(said, gone, type="ModelsAway", non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def fits(candidate: Candidate, most: Usage, micros: int) -> None:
    """Check a call of at most so much, at most so dear, against its choice's own limits. Raises `Unfit`."""
    reason = choices.unfit(candidate.choice, most.input, micros)
    if reason is not None:
        raise Unfit(reason)


def admit(
    connection: Connection, health: Health, request: CallModel, candidate: Candidate, most: Usage, takes: timedelta
) -> Taken | None:
    """Count a call where its choice is limited per minute, and take its probes; `takes` is how long it may last.

    Raises `RateLimited` and `ProbeTaken`; the transaction must end with them.
    """
    taken = _within_rates(connection, candidate.choice, most)
    health.take_probes(connection, request, candidate.probes, takes)
    return taken


def close_attempt(
    connection: Connection,
    health: Health,
    request: CallModel,
    candidate: Candidate,
    reservation: str,
    how: str,
    error: ProviderError | None,
) -> None:
    """End an attempt's reservation, and count against its model what the provider did wrong. Done again it does nothing."""
    if not spend.close(connection, reservation, how):
        return
    if error is None:
        health.give_back(connection, request, candidate)
        return
    spend.note_error(connection, reservation, error.kind)
    feed.append(connection, request.run, health.failed(connection, request, candidate, error))


def report(
    connection: Connection,
    health: Health,
    request: CallModel,
    candidate: Candidate,
    taken: Taken | None,
    judged: Judged,
    reply: ModelReply,
) -> list[Note]:
    """A choice has answered: its breakers and limits know. The lines that it is worth; none, and no write, as a rule."""
    if taken is not None and reply.usage is not None:
        rates.correct(connection, taken, reply.usage.input + reply.usage.output)
    said = judged.problem
    if judged.answer is not None:
        said = judged.answer.reason if judged.answer.outcome == "could_not" else ""
    return health.answered(connection, request, candidate, said)


def _within_rates(connection: Connection, choice: Choice, most: Usage) -> Taken | None:
    if choice.requests_per_minute is None and choice.tokens_per_minute is None:
        return None
    limit = Rate(choice.requests_per_minute, choice.tokens_per_minute)
    return rates.take(connection, f"model:{choice.model}", limit, most.input + most.output, now_us())


def as_failure(error: ProviderError, *details: ModelsAway) -> ApplicationError:
    """A provider's error as Temporal gets it: retried where that can help, as soon as the provider allows it."""
    return ApplicationError(
        str(error),
        *details,
        type=error.kind,
        non_retryable=error.verdict != "retry",
        next_retry_delay=error.retry_after,
    )


def _permanent(kind: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=kind, non_retryable=True)
