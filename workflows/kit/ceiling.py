"""Waiting for money: one `ceiling` gate at the root for a run and all its children, and the waits of refused steps."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from contracts.gates import Decided
from contracts.money import CeilingRefused
from contracts.printed import command
from workflows.kit.asks import tell_parent
from workflows.kit.cancellation import send
from workflows.kit.ends import Stopped
from workflows.kit.gate import Ask, hold
from workflows.kit.kit import Kit, within
from workflows.kit.parking import Halted, Parked

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
"""Back-off before a step retries by itself: doubled each time, up to the second value."""


def refusal_in(error: ActivityError) -> CeilingRefused | None:
    """The ceiling's refusal, if that is why the activity failed; else None."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != "CeilingReached" or not cause.details:
        return None
    return CeilingRefused.model_validate(cause.details[0])


async def wait_for_room(kit: Kit, path: str, refused: CeilingRefused, tries: int, woken: int) -> None:
    """Park until a nudge after `woken`, the end of the ceiling's period, or the back-off. Raises `Stopped`."""
    parking = kit.parking
    pause = min(FIRST_WAIT * 2 ** min(tries, 10), LONGEST_WAIT)
    if refused.resets_at is not None and (left := within(refused.resets_at)):
        # If the period is over and there is still no room, the ledger's clock is behind; the back-off avoids a call a second.
        pause = min(pause, max(left, timedelta(seconds=1)))
    await _tell_root(kit, Parked(path=path, refused=refused))
    kit.tell("waits for money", refused.text, f"retries in {pause}, or when it is nudged")
    try:
        summary = f"{refused.scope}: retry"
        await workflow.wait_condition(
            lambda: parking.woken != woken or bool(parking.stopped), timeout=pause, timeout_summary=summary
        )
    except TimeoutError:
        pass
    if parking.stopped:
        raise Stopped(parking.stopped)


async def goes_on(kit: Kit, path: str) -> None:
    """Record that a step no longer waits for money, because its call was made."""
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
    await tell_parent(kit, f"money:{said.path}", waits=said.refused is not None)
    # A root that has ended does not need it: it cancels this workflow, or has given it up.
    await send(root.workflow_id, "parked", said.model_dump(mode="json"))


def keep_watch(kit: Kit) -> None:
    """Pass nudges down; at the root, hold a gate while anything below waits for money. Calling it twice is one watch."""
    if kit.watches:
        return
    kit.watches.append(asyncio.create_task(_pass_nudges_down(kit)))
    if workflow.info().root is None:
        kit.watches.append(asyncio.create_task(_hold_gates(kit)))


async def _pass_nudges_down(kit: Kit) -> None:
    parking = kit.parking
    while True:
        await workflow.wait_condition(lambda: parking.woken != parking.passed_down)
        parking.passed_down = parking.woken
        if kit.gives_back:
            await kit.flush()  # an ended child may have released what its siblings wait for
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
            # Whatever failed: without this loop nobody would be asked about money any more.
            if is_cancelled_exception(error):
                raise
            workflow.logger.error("the ceiling's gate could not be held: %s", error)
            await workflow.sleep(LONGEST_WAIT, summary="tries to open the ceiling's gate again")


async def _hold_one(kit: Kit) -> None:
    """Hold one gate about one ceiling. Steps that still find no room afterwards wait at the next gate."""
    parking = kit.parking
    refused = next(iter(parking.refused.values()))

    def nobody_waits_there() -> bool:
        return all(one.scope != refused.scope for one in parking.refused.values())

    decided = await hold(kit, _ask(refused, len(parking.refused)), nobody_waits_there)
    await kit.flush_change()  # what waited for money may be a child's, and then no activity of this workflow follows
    if decided.verb == "raise_ceiling":
        parking.refused.clear()
        parking.wake()
    elif decided.verb != "released":
        parking.stop(f"{_how(decided)}; {refused.text}")


def _ask(refused: CeilingRefused, waiting: int) -> Ask:
    facts = [refused.text, f"waiting: {refused.agent} with {refused.model}"]
    if waiting > 1:
        facts.append(f"{waiting} steps of this run wait")
    if refused.resets_at is not None:
        facts.append(f"a new period begins at {refused.resets_at:%Y-%m-%d %H:%M} UTC")
    if refused.shared:
        raising = command("budget raise", refused.scope, options="--to USD -m why")
        facts.append(f"runs share this ceiling: `{raising}` raises it for all of them")
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
