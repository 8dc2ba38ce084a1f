"""Models that are away for long, on a server that skips time."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.testing import WorkflowEnvironment

from activities.turns.models import Models
from tests import scripts
from tests.depth import count
from tests.paid import copied
from tests.stack import sample, stack
from tests.wire.server import WireServer
from tests.workflows.test_gates import PLANNER, environment

__all__ = ["environment"]

HALF_A_DAY = timedelta(hours=12)
MINUTES = count(21, soak=90)
"""That the model is away. Each has a call: what the first twenty show, more do."""
OPENS = {"failures": 1, "cooldown": timedelta(milliseconds=100), "longest": timedelta(milliseconds=100), "patience": HALF_A_DAY}
"""The breaker opens with each failure, so that no call is tried twice. Its time is that of the ledger and is not skipped."""
NEVER_OPENS = {"failures": 1000, "patience": HALF_A_DAY}


@contextlib.asynccontextmanager
async def away(environment: WorkflowEnvironment, folder: Path, breakers: dict[str, Any]) -> AsyncIterator[tuple[Any, Any, Any]]:
    """A run whose model has just failed for the first time, its stack, and the server that fails."""
    async with WireServer(script=scripts.save(folder / "wire.yaml", PLANNER)) as wire:
        wire.faults.set("test", "server")
        options = {"openai_base_url": wire.openai_url, "agents": copied(folder / "agents"), "breakers": breakers}
        async with stack(environment.client, folder / "state", **options) as running:
            with environment.with_time_skipping_disabled():
                run = await running.deliver(sample(folder / "sample"), check="true")
                await wire.request(1)
            yield run, running, wire


async def calls_of(run: Any) -> int:
    """How often the run has asked for its model's answer, however often each was tried."""
    scheduled = [event.activity_task_scheduled_event_attributes async for event in run.fetch_history_events()]
    return sum(one.activity_type.name == Models.call_model.__name__ for one in scheduled)


async def test_an_outage_of_hours_is_waited_out(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """With patience for a night the run asks about once a minute, as long as it takes, and goes on with the model."""
    async with away(environment, tmp_path, OPENS) as (run, running, wire):
        await environment.fast_forward(run, timedelta(minutes=MINUTES))
        assert MINUTES * 2 // 3 <= await calls_of(run) <= MINUTES + 10
        said = await running.said(run)
        wire.faults.clear()
        await environment.fast_forward(run, timedelta(minutes=5))
        with environment.with_time_skipping_disabled():
            await running.gate(run, "plan")
            await run.cancel()
    assert said.count("waits for a model") == 1


async def test_patience_counts_also_where_no_breaker_opens(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """Calls that are tried in vain as often as a call is tried: the run waits as its worker's settings say, and asks nobody."""
    async with away(environment, tmp_path, NEVER_OPENS) as (run, running, wire):
        await environment.fast_forward(run, timedelta(minutes=20))
        asked, said = await calls_of(run), await running.said(run)
        await run.terminate("the test is over")
    assert asked > 3
    assert len(wire.requests) > asked
    assert "opened gate" not in said
