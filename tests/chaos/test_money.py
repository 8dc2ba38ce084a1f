"""A budget that many runs share while their workers and their database are killed: it is never overdrawn, and adds up."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests import depth
from tests.chaos.budget import Budget, budget
from tests.chaos.killer import Killer
from tests.chaos.money import audit
from tests.chaos.scenario import stopped
from tests.chaos.world import World
from tests.dates import well_before_midnight
from tests.faults.databases import Mortal, mortal
from tests.postgres import Postgres

RUNS = depth.count(12, soak=200)
SMALL = f"{RUNS * 0.005:g}"
"""What the month has for all runs, in dollars: more than a call of each, and less than the two that each makes."""
FEW = depth.count(4, soak=20)
"""Runs of each kind of worker that is broken, …"""
BROKEN = {"greedy": f"{FEW * 0.003:g}", "forgiving": "20"}
"""… and what the month has for them: less than a call of each, and more than enough. Neither waits for money."""
WORKERS = 3
KILLS = 5
"""Of workers with calls under way, at least."""


@dataclass(frozen=True)
class Told:
    """What went on. `fullest` is how full the month was before the raise, at most, as a share of its ceiling."""

    parked: int
    fullest: float
    nudged: str
    seconds: list[int]
    problems: list[str]


@pytest.fixture
def database() -> Iterator[Mortal]:
    """A PostgreSQL server of the test's own, to be killed."""
    with mortal() as running:
        yield running


async def spend_all(shared: Budget, killer: Killer, database: Mortal) -> Told:
    """Let all runs begin under kills until each is parked or done, raise the ceiling once, and let all end."""
    times = [time.monotonic()]
    await killer.reinforce()
    await shared.admit()
    times.append(time.monotonic())
    killing = asyncio.create_task(killer.run())
    await shared.tell()
    await shared.asked(RUNS // 4)
    await asyncio.to_thread(database.end, "killed")
    await asyncio.sleep(0.5)
    await asyncio.to_thread(database.start)
    parked = await shared.parked_or_done()
    fullest, calls = shared.sampler.fullest["month"], await shared.calls()
    times.append(time.monotonic())
    nudged = await shared.raise_month("20")
    await shared.answered(calls + parked // 4)
    await killer.landed(KILLS)
    await stopped(killing)
    await killer.disarm()
    await shared.end()
    times.append(time.monotonic())
    await shared.fleet.end()
    seconds = [round(after - before) for before, after in itertools.pairwise(times)]
    return Told(parked, fullest, nudged, seconds, audit(shared))


@pytest.mark.timeout(3000)
async def test_a_shared_budget_survives_kills(
    outside: World, database: Mortal, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never above a ceiling, every run parked or done, all done after one raise, and the provider's book says the same."""
    await well_before_midnight(timedelta(minutes=20))  # of the month's last day, too
    url, seed = database.server.url(database.name), pytestconfig.getoption("seed")
    async with budget(outside, "budget", url, runs=RUNS, month_usd=SMALL) as shared:
        killer = Killer(shared, seed, WORKERS, "asks", hits=depth.count(4, soak=25), every=RUNS // 3)
        told = await spend_all(shared, killer, database)
    with capsys.disabled():
        print(f"\nbudget (seed {seed}): {told.parked} of {RUNS} runs parked with {told.fullest:.1%} of it used, {killer}; ")
        print(f"{shared.sampler}; admitted, parked, ended in {told.seconds} s; {told.nudged}", end="")
    assert told.problems == []
    assert told.parked >= RUNS // 4
    assert told.fullest > 0.9
    assert f"{told.parked} of {told.parked} waiting runs woken" in told.nudged
    assert killer.with_money + killer.acted >= KILLS
    assert shared.sampler.samples > 100


async def spend_with(outside: World, variant: str, month_usd: str, url: str) -> list[str]:
    """What the audit says of a few runs whose workers are all of this kind; one of them dies with answers in its hands."""
    async with budget(outside, variant, url, runs=FEW, month_usd=month_usd) as shared:
        dying = await shared.fleet.start(variant=variant, point="model.before_settle", hits=2)
        await shared.admit()
        await shared.tell()  # before there is another worker: what is asked first is asked by this one
        await shared.fleet.start(variant=variant)
        await dying.ended
        await shared.end()
        await shared.fleet.end()
        assert dying.acted
        return audit(shared)


@pytest.fixture(scope="module")
async def broken(outside: World, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Both side by side: what the audit says of each."""
    files: Path = tmp_path_factory.mktemp("files")
    with ExitStack() as databases:
        arms = [(*arm, databases.enter_context(postgres.migrated(files))) for arm in BROKEN.items()]
        found = await asyncio.gather(*(spend_with(outside, *arm) for arm in arms))
    return dict(zip(BROKEN, found, strict=True))


@pytest.mark.timeout(3000)
def test_room_that_is_looked_at_first_is_found(broken: dict[str, list[str]]) -> None:
    """Workers that take by what they once saw left overdraw the month, and the sampler sees it."""
    assert any(one.startswith("above: month has spent and held more") for one in broken["greedy"]), broken["greedy"]


@pytest.mark.timeout(3000)
def test_lost_calls_that_cost_nothing_are_found(broken: dict[str, list[str]]) -> None:
    """Workers that let lost calls cost nothing charge less than the provider's book says."""
    assert any(one.startswith("unpaid: ") for one in broken["forgiving"]), broken["forgiving"]
