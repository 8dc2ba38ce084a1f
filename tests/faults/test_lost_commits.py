"""Commits whose answer is lost, over a whole delivery: whatever is tried again changes nothing."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import RetryPolicy

from activities.actions import sending
from activities.gates import lines
from activities.money import prices
from activities.running import shield
from contracts.agents import AgentPin
from contracts.runs import Note
from tests import scripts
from tests.depth import soak
from tests.faults.lost import Decide, Fault, LostCommits, at_random, every_other
from tests.faults.record import Record, record, sound
from tests.replay.scenarios import SCENARIOS
from tests.stack import QUICK as QUICK_CHECK
from tests.stack import git, sample, stack
from workflows.kit import model_call, options

QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=20), backoff_coefficient=1.2, maximum_attempts=200)
PRICE = 1000
"""Micro-dollars of each call: a call that is paid twice shows."""

COMMITTED = {
    *(
        "Journal._begin",
        "_record",
        "_finish",
        "commit_riders",
        "Reservations.reserve",
        "settle",
        "close",
        "Tools._store",
    ),
    *(
        "Changes._keep_change",
        "Integration._keep_integrated",
        "Checks._keep_run",
        "Checks._keep_report",
        "FrozenChange._keep_frozen",
    ),
    *("Gates._open", "Gates._admit", "claim", "settle_action"),
}
"""All that such a delivery commits, by the names of the functions."""


def quick(patch: pytest.MonkeyPatch) -> None:
    """Try again at once, and let the scripted model cost something."""
    for policy in (options.LEDGER, options.WORK, options.LOCAL, options.DELIVER):
        patch.setitem(policy, "retry_policy", QUICK)
    real = options.model_call

    def once(pin: AgentPin) -> dict[str, Any]:
        return real(pin) | {"retry_policy": QUICK}

    patch.setattr(model_call, "model_call", once)
    patch.setattr(shield, "AGAIN", 0.02)
    patch.setattr(sending, "LEASE_US", 300_000)
    for what in ("cost", "worst_case"):
        patch.setattr(prices.Tariff, what, lambda self, usage: PRICE)


async def delivered(
    client: Client, folder: Path, url: str, name: str, decide: Decide | None
) -> tuple[Record, LostCommits | None]:
    """Deliver the sample in one of the ways it can go; gives back what is in the ledger, and the faults."""
    scenario = SCENARIOS[name]
    origin = sample(folder / "sample")
    script = scripts.save(folder / "script.yaml", *scenario.script)
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        async with stack(client, folder / "state", script, check=QUICK_CHECK, ledger_url=url) as running:
            faults = None if decide is None else LostCommits(running.ledger, decide)
            run = await running.deliver(origin, branch="once", **scenario.asked)
            await scenario.people(running, run)
            report = await run.result()
            left = await running.ledger.read(record, run.id)
            await running.ledger.read(sound)
    assert report.state == "done"
    assert git(origin, "rev-list", "--count", "main..once") == "1"
    return left, faults


@pytest.fixture(scope="module")
async def straight(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """What a delivery leaves when nothing goes wrong."""
    return (await delivered(client, tmp_path_factory.mktemp("straight"), "", "happy", None))[0]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("sqlite", "before"), ("postgresql", "after"), *soak(("sqlite", "after"), ("postgresql", "before"))],
)
async def test_each_kind_of_commit_is_lost_and_nothing_differs(
    client: Client, tmp_path: Path, url: str, straight: Record, fault: Fault
) -> None:
    """Every other transaction of every kind committed, or did not, when the connection died: the record is the same.

    No line, turn, decision or action twice; no money spent twice or held; one commit on the branch.
    """
    left, faults = await delivered(client, tmp_path, url, "happy", every_other(fault))
    assert faults is not None
    assert {name for name, _ in faults.landed} >= COMMITTED
    assert left == straight


@pytest.mark.parametrize("way", ["happy", *soak("changes-requested")])
async def test_commits_are_lost_at_random_and_nothing_differs(
    client: Client, tmp_path: Path, postgres_url: str, straight: Record, way: str
) -> None:
    """Half of all transactions meet a fault, some of them several times."""
    undisturbed = straight if way == "happy" else (await delivered(client, tmp_path / way, "", way, None))[0]
    left, faults = await delivered(client, tmp_path, postgres_url, way, at_random(7))
    assert faults is not None
    assert faults.landed.total() > 20, "too few faults landed for this to say anything"
    assert {kind for _, kind in faults.landed} == {"after", "before"}
    assert left == undisturbed


def with_random_key(made: Callable[..., Note]) -> Callable[..., Note]:
    """A line whose key says nothing about what it tells: written again it is another line."""
    return lambda *args, **kwargs: made(*args, **kwargs).model_copy(update={"key": secrets.token_hex(8)})


async def test_a_function_that_cannot_run_again_is_caught(
    client: Client, tmp_path: Path, sqlite_url: str, straight: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is not blind: with a random key in one place the same faults leave a line twice."""
    monkeypatch.setattr(lines, "opened", with_random_key(lines.opened))
    left, _ = await delivered(client, tmp_path, sqlite_url, "happy", every_other("after"))
    assert left != straight
    assert {did for *_, did in left.lines - straight.lines} == {
        "opened gate plan-1: approve the plan: the plan",
        "opened gate change-1: approve the change: Fix it",
    }
