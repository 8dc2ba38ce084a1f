"""Decisions around a deadline at which no worker ran: what Temporal received in time counts, the rest does not, and nobody is
told anything else.
"""

import asyncio
from collections import Counter

import pytest

from tests.chaos.deadlines import Away, raced, told
from tests.chaos.world import World
from tests.depth import count

RUNS, EACH = count(6, soak=30), count(1, soak=10)

DEADLINES = (count(8, soak=25), 90)
"""Seconds that gates are open: more where the machine needs longer until all are, and the worker is gone."""

ARMS = (("kill", "races"), ("stop", "races"), ("stop", "races-late"))


@pytest.fixture(scope="module")
async def races(outside: World) -> dict[tuple[str, str], list[Away]]:
    """All arms, side by side: each mostly waits."""
    async with asyncio.TaskGroup() as group:
        found = {arm: group.create_task(_enough(outside, *arm)) for arm in ARMS}
    return {arm: task.result() for arm, task in found.items()}


async def _enough(outside: World, fault: str, variant: str) -> list[Away]:
    """Races with ever longer deadlines, until in enough of them no worker saw the deadline."""
    done: list[Away] = []
    for deadline in DEADLINES:
        done += await raced(outside, f"{variant}-{fault}-{deadline:g}", fault, RUNS, EACH, deadline, variant)
        if sum(race.landed for race in done) >= RUNS * EACH * 3 // 4:
            return done
    raise AssertionError(f"the worker was there too often: {told(done)}")


@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", ["kill", "stop"])
def test_what_came_in_time_counts_and_nothing_else(
    races: dict[tuple[str, str], list[Away]], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed or stopped over the deadline, the worker that goes on sees both at once, and goes by Temporal's own times."""
    mine = races[fault, "races"]
    with capsys.disabled():
        print(f"\ndeadlines ({fault}): {told(mine)}")
    assert Counter(promise for race in mine for promise in race.wrong()) == {}


def test_a_worker_that_does_not_ask_when_it_came_is_caught(races: dict[tuple[str, str], list[Away]]) -> None:
    """What is counted above can be wrong: a worker that takes what it sees with the deadline lets late decisions count."""
    assert Counter(promise for race in races["stop", "races-late"] for promise in race.wrong())[
        "it counted and came after the deadline"
    ]
