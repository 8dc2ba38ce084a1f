"""Something that a run's work came from was condemned: a gate `held` asks whether it goes on. Reject and silence stop the run.

A step that would use it fails with `Held` and is tried again after the gate. The signal `condemned` has the root look by
itself, so that a run that waits elsewhere asks as well; it also ends open gates `held`: what kept the run may be undone.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.gates.holding import Condemnations
from contracts.condemned import HELD, Held, LookForCondemned
from contracts.gates import Decided
from contracts.printed import command
from workflows.kit.ends import Stopped
from workflows.kit.gate import Ask, hold
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER


def held_in(error: ActivityError) -> Held | None:
    """What held the step, if that is why its activity failed; else None."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != HELD or not cause.details:
        return None
    return Held.model_validate(cause.details[0])


async def let_on(kit: Kit, held: Held, path: str) -> None:
    """Return once the step may be tried again: a person let the run go on, or what held it is to be looked at again.

    Raises `Stopped` where nobody let it go on. Steps side by side in one workflow wait at one gate.
    """
    holding = kit.holding
    if holding.asks:
        await holding.over()
        kit.check_stopped()
        return
    holding.asks, looks = True, holding.looks
    try:
        decided = await hold(kit, _question(held, path), lambda: bool(kit.parking.stopped) or holding.looks != looks)
    finally:
        holding.asks = False
    if decided.verb == "released":
        kit.check_stopped()
    elif decided.verb == "approve":
        await holding.again()
    else:
        reason = f"stopped at {decided.gate} ({_said(decided)}): it came from something condemned: {held.told}"
        if workflow.info().root is None:
            kit.parking.stop(reason)
        raise Stopped(reason)


def keep_looking(kit: Kit) -> None:
    """Look whenever somebody says that something was condemned, or undone. Calling it twice is one watch."""
    if kit.holding.watch is None:
        kit.holding.watch = asyncio.create_task(_watch(kit))


async def _watch(kit: Kit) -> None:
    holding = kit.holding
    while True:
        await workflow.wait_condition(lambda: holding.looks != holding.looked and not holding.asks and kit.began is not None)
        try:
            await _look(kit)
        except Stopped:
            return  # the story hears of it by itself
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            # Whatever would use it, or act on it, asks the ledger once more.
            workflow.logger.error("what holds the run could not be looked at: %s", error)


async def _look(kit: Kit) -> None:
    kit.holding.looked = kit.holding.looks
    await kit.tell_children("condemned")
    request = LookForCondemned(run=kit.ref)
    held = await kit.do_now(Condemnations.look_for_condemned, request, "condemned: look what holds the run", **LEDGER)
    if held.condemnations:
        await let_on(kit, held, "the run")


def _question(held: Held, path: str) -> Ask:
    return Ask(
        kind="held",
        title=f"{path} came from something that was condemned",
        subject=held.model_dump_json(),
        facts=(
            *held.whys,
            *(f"`{command('condemned show', one)}` says what else came from it" for one in held.condemnations[:1]),
            "approve, with a note: the run goes on with it all the same",
            "reject: it stops, and what was approved in it and nobody has begun is withdrawn",
        ),
        condemned=held.condemnations,
    )


def _said(decided: Decided) -> str:
    return f"{decided.verb} by {decided.by}: {decided.note}" if decided.by else decided.verb
