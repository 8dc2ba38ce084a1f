"""Whatever is done to a run, its row in the ledger, its query and Temporal's search attributes agree soon after.

The sequences are drawn from fixed numbers. Workers that are broken on purpose are found: one that takes changes
of state as they come, also the old ones, and one that does not ask Temporal which runs it has ended.
"""

import asyncio

from ledger import runs, upkeep
from ledger.db import Ledger
from tests.agreement import agreed, closed, left, said
from tests.chaos.agreement import STEPS, Course
from tests.chaos.scenario import scenario
from tests.chaos.world import World
from tests.depth import soak
from tests.stack import until

SEEDS = (338, 394, *soak(38, 14, 25, 41, 42, 57, *range(12)))


async def test_after_everything_all_agree(outside: World) -> None:
    """Some runs, each with workers of its own, and at least one of every kind of step between them."""

    async def one(seed: int) -> list[str]:
        async with scenario(outside, f"agree-{seed}", person=False) as deliveries:
            done = await Course(deliveries, seed).go()
            await deliveries.fleet.end()
            return done

    done = await asyncio.gather(*(one(seed) for seed in SEEDS))
    assert {step for steps in done for step in steps} == {*STEPS, "cancel"}
    terminated = [steps[steps.index("terminate") :] for steps in done if "terminate" in steps]
    assert {"reset" in steps for steps in terminated} == {True, False}


async def another_round(ledger: Ledger) -> None:
    """Wait until a worker has ended a round of upkeep that has not ended now."""
    last = await ledger.read(upkeep.last_round)

    async def made() -> bool | None:
        return True if await ledger.read(upkeep.last_round) != last else None

    await until(made, "a round of upkeep was made")


async def terminated(outside: World, variant: str) -> None:
    """It waits at a gate and is terminated in Temporal; nobody looks at it."""
    async with scenario(outside, f"terminated-{variant}", person=False) as deliveries:
        course = Course(deliveries, 1)
        await course.begin(variant)
        await course.asked()
        trace = (await deliveries.ledger.read(runs.find, course.name)).trace
        before = await deliveries.ledger.read(left, trace)
        await course.terminate()
        if variant == "shipped":
            await closed(deliveries.ledger, deliveries.client, course.name)
        for _ in range(3):  # the first of them may have begun before the termination
            await another_round(deliveries.ledger)
        after = await deliveries.ledger.read(left, trace)
        await deliveries.fleet.end()
    assert before[0] == "waiting"
    assert after == {"shipped": [], "unasked": before}[variant]


async def test_a_terminated_run_is_closed(outside: World) -> None:
    """The shipped worker's upkeep closes it; one that does not ask Temporal leaves it open, round after round."""
    await asyncio.gather(terminated(outside, "shipped"), terminated(outside, "unasked"))


async def paused(outside: World, variant: str) -> None:
    """A worker dies in a call; the run is paused; the next worker repeats the call, whose change is older than the pause."""
    async with scenario(outside, f"paused-{variant}", person=False) as deliveries:
        course = Course(deliveries, 0)
        dying = await deliveries.fleet.start(variant=variant, point="model.before_settle")
        asked = {
            "repository": outside.repository,
            "instruction": f"Fix it (run {course.name})",
            "owner": "olga",
            "check": "true",
        }
        await deliveries.client.start_workflow("Delivery", asked, id=course.name, task_queue=deliveries.name)
        await dying.ended
        assert dying.acted
        await course.run.signal("pause", {})
        await deliveries.fleet.start(variant=variant)
        await agreed(deliveries.ledger, course.run, "paused")

        async def answered() -> bool | None:
            kinds = [one async for one in course.run.fetch_history_events()]
            scheduled = {
                one.event_id: one.activity_task_scheduled_event_attributes.activity_type.name
                for one in kinds
                if one.HasField("activity_task_scheduled_event_attributes")
            }
            ended = {one.activity_task_completed_event_attributes.scheduled_event_id for one in kinds}
            return True if any(scheduled.get(one) == "call_model" for one in ended) else None

        await until(answered, "the call was made again")
        row = await deliveries.ledger.read(runs.find, course.name)
        shown = await said(deliveries.ledger, course.run)
        await course.run.terminate("seen")
        await deliveries.fleet.end()
    assert row.state == {"shipped": "paused", "unordered": "working"}[variant]
    assert shown.agree == (variant == "shipped")


async def test_a_pause_outlives_a_call_that_began_before_it(outside: World) -> None:
    """The shipped worker leaves such a change out. One that takes it says `working` of a run that is paused, for good."""
    await asyncio.gather(paused(outside, "shipped"), paused(outside, "unordered"))
