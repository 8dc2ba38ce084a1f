"""The audit of the storm, tried out: workers that are broken on purpose are found by it, and shipped ones pass the same."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Row

from ledger import tables
from tests.chaos.audit import audit, rows
from tests.chaos.scenario import scenario
from tests.chaos.scene import TURNS
from tests.chaos.world import World

PUSHED, STORED, ANSWERED = "action.before_receipt", "model.before_completion", "model.before_settle"


@dataclass
class Seen:
    """What was found after one delivery, while workers died one after the other at the same point."""

    problems: list[str]
    asked: int
    turns: list[Row[Any]]


ARMS = (
    *(("shipped", STORED, 2), ("shipped", ANSWERED, 2), ("shipped", PUSHED, 1)),
    *(("forgetful", STORED, 1), ("keyless", ANSWERED, 1), ("careless", PUSHED, 1)),
)
"""Which worker is killed where, and how often. A second kill at a push would wait for the first one's lease."""


@pytest.fixture(scope="module")
async def seen(outside: World) -> dict[tuple[str, str], Seen]:
    """All arms, side by side."""
    found = await asyncio.gather(*(_under_kills(outside, *arm) for arm in ARMS))
    return {(variant, point): one for (variant, point, _), one in zip(ARMS, found, strict=True)}


async def _under_kills(outside: World, variant: str, point: str, kills: int) -> Seen:
    async with scenario(outside, f"{variant}-{point.replace('.', '-').replace('_', '-')}") as deliveries:
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(deliveries.deliver(1))
            for _ in range(kills):
                worker = await deliveries.fleet.start(variant=variant, point=point)
                await worker.ended
                assert worker.killed
                assert worker.acted
            await deliveries.fleet.start(variant=variant)
        await deliveries.fleet.end()
        asked = [call for call in deliveries.scene.calls if call["what"] == "asked" and call["run"] in deliveries.reports]
        return Seen(audit(deliveries), len(asked), rows(deliveries, tables.turn))


def test_a_push_without_a_key_is_found(seen: dict[tuple[str, str], Seen]) -> None:
    """Killed between push and receipt, the shipped worker pushes once; one that never asks is seen to push twice."""
    problems = seen["careless", PUSHED].problems
    assert seen["shipped", PUSHED].problems == []
    assert any(one.startswith("doubled: chaos/careless") for one in problems), problems


def test_a_model_call_that_forgets_is_found(seen: dict[tuple[str, str], Seen]) -> None:
    """Killed with its turn stored, the shipped worker asks nothing again; one that looks for no turn is seen to pay twice."""
    shipped, forgetful = seen["shipped", STORED], seen["forgetful", STORED]
    assert shipped.problems == []
    assert (shipped.asked, forgetful.asked) == (TURNS, TURNS + 1)
    assert any("paid for again" in one for one in forgetful.problems), forgetful.problems


def test_a_model_call_without_a_key_is_found(seen: dict[tuple[str, str], Seen]) -> None:
    """Killed with its answer lost, the shipped worker asks under the same key; random keys are seen in the provider's book."""
    shipped, problems = seen["shipped", ANSWERED], seen["keyless", ANSWERED].problems
    assert shipped.problems == []
    assert shipped.asked == TURNS + 2
    assert sum(turn.attempt - 1 for turn in shipped.turns) == 2
    for said in ("was answered under 2 keys", "was answered, and no turn is stored", "reservations stand for it"):
        assert any(said in one for one in problems), (said, problems)
