"""When nobody can answer: the run waits on a timer, then goes on with what the agent declares for that, then asks a person.

A wait takes no slot of a worker and outlives every process. It ends when the models' patience is over, which their worker's
settings say.
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
from workflows.kit.conversation import Conversation
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER

NOBODY = "models"
"""Who a handoff says that it is from, where no model could be asked."""

LONG = timedelta(seconds=5)
"""What takes longer, in one wait or in several, shows in the run's row; a shorter one is over before anybody looks."""

MINUTE = timedelta(minutes=1)

AGAIN = timedelta(seconds=30)
PATIENCE = timedelta(minutes=15)
"""When to ask again, and for how long, where a worker of before does not say it."""

TRIED_IN_VAIN = frozenset({"rate_limited", "overloaded", "server", "timeout", "connection", "cut", "not_json"})
"""What the activity's own retries have not mended."""

Converse = Callable[[Kit, Conversation], Awaitable[Handoff[Any]]]


def away_of(error: ActivityError) -> ModelsAway | None:
    """What a failed call says about models that are away; None where it failed for another reason."""
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return None
    in_vain = cause.type in TRIED_IN_VAIN
    if cause.details and (in_vain or cause.type == "ModelsAway"):
        return ModelsAway.model_validate(cause.details[0])
    if in_vain:
        return ModelsAway(kind="outage", until=workflow.now() + AGAIN, why=cause.message, patience=PATIENCE)
    return None


async def waited(kit: Kit, talk: Conversation, error: ActivityError) -> bool:
    """Wait until the models may be asked again. False where that is not what the call failed of, or patience is over."""
    gone = away_of(error)
    if gone is None:
        return False
    now = workflow.now()
    since = talk.away.setdefault(gone.kind, now)
    talk.waits += 1
    ends = since + gone.patience
    if talk.insists:
        # A person has just said that it is mended: what is left alone still is waited for once.
        talk.insists, ends = False, max(ends, gone.until + LONG)
    if now >= ends or gone.until > ends:
        talk.answered()
        return False
    pause = min(_pause(gone, talk.waits, now), ends - now)
    long = pause > LONG or now - min(talk.away.values()) > LONG
    await _tell(kit, talk, gone, now + pause, long=long)
    with contextlib.suppress(TimeoutError):
        summary = f"{talk.pin.label}: {gone.kind}, asks again later"[:200]
        await workflow.wait_condition(lambda: bool(kit.parking.stopped), timeout=pause, timeout_summary=summary)
    if long:
        kit.move("working", next=f"{talk.pin.label} is asked again")
    return True


def _pause(gone: ModelsAway, waits: int, now: datetime) -> timedelta:
    """At least until then, longer each time, and not all runs in the same moment."""
    least = max(gone.until - now, min(timedelta(seconds=2 ** min(waits, 6)), MINUTE))
    return least + min(least, MINUTE) * workflow.random().random() * 0.1


async def _tell(kit: Kit, talk: Conversation, gone: ModelsAway, then: datetime, *, long: bool) -> None:
    following = f"{talk.pin.label} is asked again at {then:%H:%M:%S} UTC"
    did = "waits for its limit per minute" if gone.kind == "rate" else "waits for a model"
    kit.tell(did, gone.why, following)
    if not long:
        return
    if not talk.told:
        talk.told = True
        kit.note(did, gone.why[:1000], following, actor=talk.pin.label)
    kit.move("working", waiting_for="a model", next=following)
    await kit.flush()


def by_nobody(handoff: Handoff[Any]) -> bool:
    """True for the handoff of a step that no model could be asked for."""
    return handoff.producer.agent == NOBODY


def note_degraded(kit: Kit, handoff: Handoff[Any]) -> None:
    """Keep for the report that a fallback made this."""
    if handoff.degraded:
        kit.degraded[handoff.path] = handoff.degraded


async def answered(kit: Kit, talk: Conversation, converse: Converse) -> Handoff[Any]:
    """The agent's answer, or that of what stands in for it. Where nothing does, a person says whether to ask again."""
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
    """What the agent's chain of fallbacks makes of the task, stamped as degraded. None where it ends without an answer."""
    pin = talk.pin
    while pin.fallback:
        kind, _, name = pin.fallback.partition(":")
        if kind == "function":
            handoff = await _function(kit, talk, name, why)
        else:
            pin = kit.pins.agents[name]
            other = talk.stand_in(pin, f"{pin.label} stands in for {talk.pin.label}: {why}"[:1000])
            handoff = await converse(kit, other)
            talk.workspace = other.workspace
        if not by_nobody(handoff):
            did = f"{name} stood in for {talk.pin.label}"
            kit.note(did, why[:1000], "the run goes on; its report says so", importance="alert", inputs=(handoff.id,))
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
    )
    return await kit.do(Fallbacks.fall_back, request, f"{talk.pin.label}: {name} stands in", **LEDGER)


async def _person_says_again(kit: Kit, talk: Conversation, why: str) -> bool:
    """True if a person wants the models to be asked again. False also where there is nobody to ask in this run."""
    if "stuck" not in kit.kinds or "stuck" not in kit.pins.gates:
        return False
    title = f"no model can be asked for {talk.pin.label}"
    again = f"approve or request_changes: ask again. reject, or no answer: {talk.run.path} could not be done"
    decided = await gate(kit, Ask(kind="stuck", title=title, subject=f"{title}\n{talk.run.path}\n{why}", facts=(why, again)))
    return decided.verb in ("approve", "request_changes")
