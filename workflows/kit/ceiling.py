"""Waiting for money: one `ceiling` gate for a whole run family, at its root, and the waits of the steps that were refused."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from contracts.gates import Decided
from contracts.money import CeilingRefused
from workflows.kit.cancellation import send
from workflows.kit.ends import Stopped
from workflows.kit.gate import Ask, hold
from workflows.kit.kit import Kit, within
from workflows.kit.parking import Halted, Parked

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
"""How long a step waits before it asks again by itself: twice as long each time."""


def refusal_in(error: ActivityError) -> CeilingRefused | None:
    """What a ceiling refused, where that is why the activity ended."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != "CeilingReached" or not cause.details:
        return None
    return CeilingRefused.model_validate(cause.details[0])


async def wait_for_room(kit: Kit, path: str, refused: CeilingRefused, tries: int, woken: int) -> None:
    """Park until there may be room: a nudge after `woken`, the end of the ceiling's period, or a while. Raises `Stopped`."""
    parking = kit.parking
    pause = min(FIRST_WAIT * 2 ** min(tries, 10), LONGEST_WAIT)
    if refused.resets_at is not None and (left := within(refused.resets_at)):
        # Where that is over and there is no room, the ledger's clock is behind: without the backoff it would ask each second.
        pause = min(pause, max(left, timedelta(seconds=1)))
    await _tell_root(kit, Parked(path=path, refused=refused))
    kit.tell("waits for money", refused.text, f"asks again in {pause}, or when it is nudged")
    try:
        summary = f"{refused.scope}: asks again"
        await workflow.wait_condition(
            lambda: parking.woken != woken or bool(parking.stopped), timeout=pause, timeout_summary=summary
        )
    except TimeoutError:
        pass
    if parking.stopped:
        raise Stopped(parking.stopped)


async def goes_on(kit: Kit, path: str) -> None:
    """A step that had waited for money does not any more: its call was made, whatever came of it."""
    await _tell_root(kit, Parked(path=path))


async def _tell_root(kit: Kit, said: Parked) -> None:
    root = workflow.info().root
    if root is None:
        if said.refused is not None:
            kit.parking.waits(said.path, said.refused)
        else:
            kit.parking.refused.pop(said.path, None)
        keep_watch(kit)
        return
    # A root that takes it no more ends: it cancels this workflow as well, or has let it go.
    await send(root.workflow_id, "parked", said.model_dump(mode="json"))


def keep_watch(kit: Kit) -> None:
    """At the root: hold a gate while anything below waits for money, and pass nudges down. Calling it twice is one watch."""
    if not kit.watches and workflow.info().root is None:
        kit.watches += [asyncio.create_task(_pass_nudges_down(kit)), asyncio.create_task(_hold_gates(kit))]


async def _pass_nudges_down(kit: Kit) -> None:
    parking = kit.parking
    while True:
        await workflow.wait_condition(lambda: parking.woken != parking.passed_down)
        parking.passed_down = parking.woken
        if kit.gives_back:
            await kit.flush()  # what an ended child left may be what its siblings wait for
        if parking.stopped:
            await kit.tell_children("halted", Halted(reason=parking.stopped).model_dump(mode="json"))
        else:
            await kit.tell_children("nudge")


async def _hold_gates(kit: Kit) -> None:
    parking = kit.parking
    while not parking.stopped:
        await workflow.wait_condition(lambda: bool(parking.refused))
        try:
            await _hold_one(kit)
        except Exception as error:
            # Whatever it is: without this watch nobody is asked any more.
            if is_cancelled_exception(error):
                raise
            workflow.logger.error("the ceiling's gate could not be held: %s", error)
            await workflow.sleep(LONGEST_WAIT, summary="tries to open the ceiling's gate again")


async def _hold_one(kit: Kit) -> None:
    """One gate about one ceiling. Decided or not: what still finds no room, or finds none elsewhere, waits at the next one."""
    parking = kit.parking
    refused = next(iter(parking.refused.values()))

    def nobody_waits_there() -> bool:
        return all(one.scope != refused.scope for one in parking.refused.values())

    decided = await hold(kit, _ask(refused, len(parking.refused)), nobody_waits_there)
    if decided.verb == "raise_ceiling":
        parking.refused.clear()
        parking.wake()
    elif decided.verb != "released":
        parking.stop(f"{_how(decided)}; {refused.text}")


def _ask(refused: CeilingRefused, waiting: int) -> Ask:
    facts = [refused.text, f"waits: {refused.agent} with {refused.model}"]
    if waiting > 1:
        facts.append(f"{waiting} steps of this run wait")
    if refused.resets_at is not None:
        facts.append(f"a new period begins at {refused.resets_at:%Y-%m-%d %H:%M} UTC")
    if refused.shared:
        facts.append(f"runs share this ceiling: `baton budget raise {refused.scope} --to USD -m why` raises it for all of them")
    return Ask(
        kind="ceiling",
        title=f"{refused.scope if refused.shared else 'the ceiling of this run'} leaves no room for the next call",
        subject=refused.model_dump_json(),
        facts=tuple(facts),
        ceiling=refused,
    )


def _how(decided: Decided) -> str:
    if decided.verb == "stop":
        return f"stopped at {decided.gate} by {decided.by}" + (f": {decided.note}" if decided.note else "")
    if decided.verb == "expired":
        return f"stopped: nobody decided at {decided.gate} before the deadline"
    return f"stopped: {decided.gate} was {decided.verb}"
