"""Decisions that arrive around a gate's deadline: what is acknowledged is the outcome, and the ledger says the same."""

from pathlib import Path

from temporalio.client import Client

from tests import scripts
from tests.scripts import could_not, says
from tests.stack import beside, stack
from tests.workflows.racing import DEADLINE, NaiveRaces, Races, Track

POLICY = Path(__file__).parents[2] / "policy.toml"


def _hurried(folder: Path) -> Path:
    """policy.toml with seconds for the gate."""
    head, table, rest = POLICY.read_text().partition("[gates.stuck]\n")
    assert table
    path = folder / "policy.toml"
    after = rest[rest.index("\n[") + 1 :]
    path.write_text(f'{head}{table}who = ["*"]\ndeadline = "PT{DEADLINE:g}S"\n\n{after}')
    return path


async def _raced(client: Client, folder: Path, workflow: type, runs: int, each: int) -> Track:
    script = scripts.save(folder / "script.yaml", says("planner", could_not("nobody asks")))
    async with stack(client, folder / "state", script, policy=_hurried(folder)) as running:
        track = Track(running)
        async with beside(running, "races", workflow, sandboxed=False) as queue:
            await track.run(queue, runs, each)
    return track


async def test_what_is_acknowledged_at_the_deadline_is_the_outcome(client: Client, tmp_path: Path) -> None:
    """Of 300 gates some expire and some are decided in time; every sender is answered, and no answer is wrong."""
    track = await _raced(client, tmp_path, Races, runs=30, each=10)
    outcomes = track.outcomes()
    assert track.wrong() == {}
    assert (len(track.races), outcomes["approve"] + outcomes["reject"] > 30, outcomes["expired"] > 30) == (300, True, True)


async def test_checking_before_claiming_is_caught(client: Client, tmp_path: Path) -> None:
    """The same races with the naive order: some senders are told that they won, and the gate expired."""
    track = await _raced(client, tmp_path, NaiveRaces, runs=25, each=3)
    assert track.wrong()["acknowledged and expired"] > 0
