"""If no model is available: wait on a timer, then use the agent's declared fallback, then ask a person.

A wait takes no worker slot and survives every process. It ends when the patience in the worker's settings is used up.
"""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.agents.fallbacks import Fallbacks
from contracts.away import FallBack, ModelsAway
from contracts.handoff import Handoff
from workflows.kit.asks import tell_wait
from workflows.kit.conversation import Conversation
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER, WORK
from workflows.kit.standing import A_MODEL, Waits

NOBODY = "models"
"""The producer of a handoff for which no model was available."""

LONG = timedelta(seconds=5)
"""Waits longer than this, in total, are shown in the run's row; shorter ones are over before anybody looks."""

MINUTE = timedelta(minutes=1)

AGAIN = timedelta(seconds=30)
PATIENCE = timedelta(minutes=15)
"""Retry interval and patience if the error does not carry them."""

TRIED_IN_VAIN = frozenset({"rate_limited", "overloaded", "server", "timeout", "connection", "cut", "not_json"})
"""Failure types that are outages once the activity's own retries are used up."""

Converse = Callable[[Kit, Conversation], Awaitable[Handoff[Any]]]


def away_of(error: ActivityError) -> ModelsAway | None:
    """The outage behind a failed call; None if it failed for another reason."""
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return None
    in_vain = cause.type in TRIED_IN_VAIN
    if cause.details and (in_vain or cause.type == "ModelsAway"):
        return ModelsAway.model_validate(cause.details[0])
    if in_vain:
        return ModelsAway(kind="outage", until=workflow.now() + AGAIN, why=cause.message, patience=PATIENCE)
    return None


def why_nobody(gone: ModelsAway) -> str:
    """Why no model is available and, where waiting helps, until when none is asked."""
    until = f"; asked again at {gone.until:%Y-%m-%d %H:%M:%S} UTC at the earliest"
    waits = gone.kind != "refused" and gone.until > workflow.now()
    return f"no model is available: {gone.why}{until if waits else ''}"


async def waited(kit: Kit, talk: Conversation, error: ActivityError, woken: int) -> bool:
    """Wait until the call may be repeated, or for a nudge after `woken`. False if it was no outage, or patience is used up."""
    gone = away_of(error)
    if gone is None:
        return False
    now = workflow.now()
    # Patience counts from the first failure of this kind, over all waits.
    since = talk.away.setdefault(gone.kind, now)
    talk.waits += 1
    ends = since + gone.patience
    if talk.insists:
        # A person has just said that the models are back: wait for an open breaker at least once more.
        talk.insists, ends = False, max(ends, gone.until + LONG)
    if now >= ends or gone.until > ends:
        talk.answered()
        await over(kit, talk)
        return False
    pause = min(_pause(gone, talk.waits, now), ends - now)
    long = pause > LONG or now - min(talk.away.values()) > LONG
    await _tell(kit, talk, gone, now + pause, long=long)
    heard = kit.knows("nudge-ends-model-waits")

    def ended() -> bool:
        return bool(kit.parking.stopped) or (heard and kit.parking.woken > woken)

    with contextlib.suppress(TimeoutError):
        summary = f"{talk.pin.label}: {gone.kind}, retries later"[:200]
        # A condition instead of a plain timer: a run that stops at a ceiling must not sit out the wait, nor one that is told
        # by whoever closes a breaker that its models are back.
        await workflow.wait_condition(ended, timeout=pause, timeout_summary=summary)
    if long:
        kit.move("working", next=f"{talk.pin.label} retries")
    return True


def _pause(gone: ModelsAway, waits: int, now: datetime) -> timedelta:
    """The back-off: at least until `gone.until`, doubling up to a minute, with jitter so that runs do not retry together."""
    least = max(gone.until - now, min(timedelta(seconds=2 ** min(waits, 6)), MINUTE))
    # workflow.random() is deterministic: a replay gets the same jitter.
    return least + min(least, MINUTE) * workflow.random().random() * 0.1


async def _tell(kit: Kit, talk: Conversation, gone: ModelsAway, then: datetime, *, long: bool) -> None:
    following = f"{talk.pin.label} retries at {then:%H:%M:%S} UTC"
    did = "waits for a rate limit" if gone.kind == "rate" else "waits for a model"
    kit.tell(did, gone.why, following)
    if not long:
        return
    if not talk.told:
        talk.told = True
        kit.note(did, gone.why[:1000], following, actor=talk.pin.label)
    kit.move("working", waiting_for=A_MODEL, next=following)
    await kit.flush()
    if not talk.shown:
        talk.shown = True
        await tell_wait(kit, Waits(path=talk.run.path, waiting_for=A_MODEL))


async def over(kit: Kit, talk: Conversation) -> None:
    """The step waits no more: a model has answered, or was given up. Safe to call twice."""
    if talk.shown:
        talk.shown = False
        await tell_wait(kit, Waits(path=talk.run.path))


def by_nobody(handoff: Handoff[Any]) -> bool:
    """True if no model was available for the step of this handoff."""
    return handoff.producer.agent == NOBODY


def note_degraded(kit: Kit, handoff: Handoff[Any]) -> None:
    """Note for the report that a fallback made this handoff."""
    if handoff.degraded:
        kit.degraded[handoff.path] = handoff.degraded


async def answered(kit: Kit, talk: Conversation, converse: Converse) -> Handoff[Any]:
    """The handoff of the agent or its fallback. Without a fallback a person decides whether to retry."""
    while True:
        handoff = await converse(kit, talk)
        if not by_nobody(handoff):
            return handoff
        stood_in = await _stand_in(kit, talk, handoff.reason, converse)
        if stood_in is not None:
            return stood_in
        if not await _person_says_again(kit, talk, handoff.reason):
            return handoff
        talk.insists = True


async def _stand_in(kit: Kit, talk: Conversation, why: str, converse: Converse) -> Handoff[Any] | None:
    """The handoff of the agent's chain of fallbacks, marked as degraded. None if the chain ends without a result."""
    pin = talk.pin
    while pin.fallback:
        kind, _, name = pin.fallback.partition(":")
        if kind == "function":
            handoff = await _function(kit, talk, name, why)
        else:
            pin = kit.pins.agents[name]
            other = talk.stand_in(pin, f"{pin.label} stands in for {talk.pin.label}: {why}"[:1000])
            handoff = await converse(kit, other)
            talk.workspace = other.workspace  # the fallback's edits count, too
        if not by_nobody(handoff):
            did = f"{name} stood in for {talk.pin.label}"
            kit.note(did, why[:1000], "the run continues; its report says so", alert="stood_in", inputs=(handoff.id,))
            return handoff
        if kind == "function":
            return None
    return None


async def _function(kit: Kit, talk: Conversation, name: str, why: str) -> Handoff[Any]:
    request = FallBack(
        run=talk.run,
        agent=talk.pin.label,
        function=name,
        task=talk.task.stored().decode(),
        why=why[:1000],
        inputs=talk.inputs,
        answers=talk.answers,
        workspace=talk.workspace,
    )
    # With files it may take as long as a tool: it reads them.
    options = LEDGER if talk.workspace is None else WORK
    return await kit.do(Fallbacks.fall_back, request, f"{talk.pin.label}: {name} stands in", **options)


async def _person_says_again(kit: Kit, talk: Conversation, why: str) -> bool:
    """Ask a person whether to retry. False if they decline, or if this run may not open the gate."""
    if "stuck" not in kit.kinds or "stuck" not in kit.pins.gates:
        return False
    title = f"no model is available for {talk.pin.label}"
    again = f"approve or request_changes: retry. reject, or no answer: {talk.run.path} ends as could_not"
    subject = f"{title}\n{talk.run.path}\n{why}"
    decided = await gate(kit, Ask(kind="stuck", title=title, subject=subject, facts=(why, again), breakers=talk.breakers))
    return decided.verb in ("approve", "request_changes")
