"""Decisions that arrive around a gate's deadline: what is acknowledged is the outcome, and the ledger says the same."""

from collections.abc import Callable
from pathlib import Path

from temporalio.client import Client

from tests import depth, scripts
from tests.depth import count
from tests.scripts import could_not, says
from tests.stack import beside, stack
from tests.workflows.racing import NaiveRaces, Race, Races, Track, hurried, outcomes, wrong

MANY = count(3, soak=30)
"""Runs side by side, and more than so many of their gates end one way and the other."""

EACH = count(6, soak=10)
"""Gates of each run, one after the other."""

DEADLINES = (2.5, 5.0, 10.0, 20.0, 40.0)
"""Seconds that gates are open: more where the machine needs longer to see one and to send."""


async def _raced(client: Client, folder: Path, workflow: type, runs: int, each: int, deadline: float) -> list[Race]:
    folder.mkdir()
    script = scripts.save(folder / "script.yaml", says("planner", could_not("nobody asks")))
    async with stack(client, folder / "state", script, policy=hurried(folder, deadline)) as running:
        track = Track(running, deadline)
        async with beside(running, "races", workflow, sandboxed=False) as queue:
            await track.run(queue, runs, each)
    return track.races


async def _until(
    enough: Callable[[list[Race]], bool], client: Client, folder: Path, workflow: type, runs: int, each: int
) -> list[Race]:
    """Races with ever longer deadlines, until there was enough of what the test is about."""
    races: list[Race] = []
    for deadline in DEADLINES:
        races += await _raced(client, folder / f"{deadline:g}", workflow, runs, each, deadline)
        if enough(races):
            return races
    raise AssertionError(f"of {len(races)} gates: {outcomes(races)}, wrong: {wrong(races)}")


def _both_ways(races: list[Race]) -> bool:
    seen = outcomes(races)
    return seen["decided"] > MANY and seen["expired"] > MANY


async def test_what_is_acknowledged_at_the_deadline_is_the_outcome(client: Client, tmp_path: Path) -> None:
    """Of many gates some expire and some are decided in time; every sender is answered, and no answer is wrong."""
    races = await _until(_both_ways, client, tmp_path, Races, runs=MANY, each=EACH)
    assert len(races) >= MANY * EACH
    assert wrong(races) == {}


@depth.deep("tests/workflows/test_races.py::test_what_is_acknowledged_at_the_deadline_is_the_outcome")
async def test_checking_before_claiming_is_caught(client: Client, tmp_path: Path) -> None:
    """The same races with the naive order: some senders are told that they won, and the gate expired."""
    races = await _until(
        lambda so_far: wrong(so_far)["acknowledged and expired"] > 0, client, tmp_path, NaiveRaces, runs=25, each=3
    )
    assert wrong(races)["acknowledged and expired"] > 0
