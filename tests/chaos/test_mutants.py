"""The audit of the storm, tried out: workers that are broken on purpose are found by it, and shipped ones pass the same."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Row

from ledger import tables
from tests.chaos.audit import audit, rows
from tests.chaos.scenario import Scenario, scenario
from tests.chaos.scene import TURNS
from tests.chaos.world import World

PUSHED, STORED, ANSWERED = "action.before_receipt", "model.before_completion", "model.before_settle"


@dataclass
class Seen:
    """What was found in the end, while workers died one after the other."""

    problems: list[str]
    asked: int
    turns: list[Row[Any]]


ARMS = {
    "shipped": (STORED, ANSWERED, ANSWERED, PUSHED),
    "careless": (PUSHED,),
    "forgetful": (STORED,),
    "keyless": (ANSWERED,),
}
"""Where workers are killed, one after the other. A second kill at a push would wait for the first one's lease."""

PLANNERS = 2
"""Turns of a delivery before a person is asked."""


@pytest.fixture(scope="module")
async def seen(outside: World) -> dict[str, Seen]:
    """All arms, side by side."""
    found = await asyncio.gather(*(_under_kills(outside, *arm) for arm in ARMS.items()))
    return dict(zip(ARMS, found, strict=True))


async def _under_kills(outside: World, variant: str, points: Sequence[str]) -> Seen:
    """A delivery to its end if it is to push, else as far as its plan."""
    whole = PUSHED in points
    async with scenario(outside, f"books-{variant}", person=whole) as deliveries:
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(deliveries.deliver(1))
            planned = None if whole else lanes.create_task(_planned(deliveries))
            for point in points:
                worker = await deliveries.fleet.start(variant=variant, point=point)
                await worker.ended
                assert worker.killed
                assert worker.acted
            await deliveries.fleet.start(variant=variant)
            if planned is not None:
                await planned
                await deliveries.client.get_workflow_handle(*deliveries.open).terminate("seen enough")
        await deliveries.fleet.end()
        asked = [call for call in deliveries.scene.calls if call["what"] == "asked" and call["run"] in deliveries.reports]
        return Seen(audit(deliveries), len(asked), rows(deliveries, tables.turn))


async def _planned(deliveries: Scenario) -> None:
    """Approve whatever opens, until it is the plan."""
    while (view := await deliveries.asks()).gate != "plan-1":
        await deliveries.approve(view)


def test_a_worker_that_is_killed_at_each_of_them_passes(seen: dict[str, Seen]) -> None:
    """With its turn stored the shipped worker asks nothing again; with its answer lost, under the same key; it pushes once."""
    shipped = seen["shipped"]
    assert shipped.problems == []
    assert shipped.asked == TURNS + 2
    assert sum(turn.attempt - 1 for turn in shipped.turns) == 2


def test_a_push_without_a_key_is_found(seen: dict[str, Seen]) -> None:
    """Killed between push and receipt, a worker that never asks is seen to push twice."""
    problems = seen["careless"].problems
    assert any(one.startswith("doubled: chaos/books-careless") for one in problems), problems


def test_a_model_call_that_forgets_is_found(seen: dict[str, Seen]) -> None:
    """Killed with its turn stored, a worker that looks for no turn is seen to pay twice."""
    forgetful = seen["forgetful"]
    assert forgetful.asked == PLANNERS + 1
    assert any("paid for again" in one for one in forgetful.problems), forgetful.problems


def test_a_model_call_without_a_key_is_found(seen: dict[str, Seen]) -> None:
    """Killed with its answer lost, a worker that asks under random keys is seen in the provider's book."""
    problems = seen["keyless"].problems
    for said in ("was answered under 2 keys", "was answered, and no turn is stored", "reservations stand for it"):
        assert any(said in one for one in problems), (said, problems)
