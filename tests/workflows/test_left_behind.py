"""What was approved in a run that Temporal ended without us is delivered or listed within a minute, by shipped intervals."""

import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from temporalio.client import Client

import ledger.db
from activities.running import beside
from ledger import runs
from tests.depth import soak
from tests.workflows.left_behind import WAYS, Ticks, are_delivered, became, ended, led_by_the_dead
from tests.workflows.performing import performing

A_MINUTE = timedelta(minutes=1) // timedelta(microseconds=1)


@pytest.mark.parametrize("dead", [True, *soak(False)], ids=["the leader is dead", *soak("a worker leads")])
async def test_what_was_approved_is_delivered_within_a_minute(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dead: bool
) -> None:
    """By the ledger's own instants, and a clock that only the loops' own waits move: no machine is too slow for this.

    One run each was terminated, timed out and deleted. At worst the worker that led dies as it takes its leases.
    """
    async with performing(client, tmp_path, tier="confirm") as performed:
        gone = {way: await ended(performed, way) for way in WAYS}
        stack, found = performed.stack, performed.stack.parts
        clock = Ticks(ledger.db.now_us(), loops=3)
        own = {"time_ns": clock.time_ns, "monotonic": time.monotonic, "sleep": time.sleep}
        monkeypatch.setattr(ledger.db, "time", SimpleNamespace(**own))
        monkeypatch.setattr(beside, "sleep", clock.sleep)
        began, relay = clock.now_us, found.relay
        assert relay is not None
        if dead:
            stack.ledger.tx_now(led_by_the_dead)
        async with beside.beside(found.upkeep.run(client), relay.run()):
            done = lambda: stack.ledger.read_now(are_delivered, len(WAYS))  # noqa: E731
            await clock.pass_until(done, relay.settle, A_MINUTE)
        there = stack.ledger.read_now(became, WAYS)
        rows = {way: await stack.ledger.read(runs.find, run.id) for way, run in gone.items()}
    assert {way: one.state for way, one in there.items()} == dict.fromkeys(WAYS, "delivered")
    for way, one in there.items():
        assert began <= rows[way].ended_at <= one.listed <= one.settled < began + A_MINUTE, way
    # With a dead leader all wait for its lease, or it would not have been the worst case.
    assert (max(one.settled for one in there.values()) - began >= 30_000_000) is dead
    assert clock.count > (30 if dead else 0)
