"""Models that are away for long, on a server that skips time."""

from datetime import timedelta
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from activities.models import Models
from tests import scripts
from tests.paid import copied
from tests.stack import sample, stack
from tests.wire.server import WireServer
from tests.workflows.test_gates import PLANNER, environment

__all__ = ["environment"]

BREAKERS = {"failures": 1, "cooldown": timedelta(milliseconds=1), "longest": timedelta(milliseconds=1)}


async def test_an_outage_of_hours_is_waited_out(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """With patience for a night the run asks about once a minute, as long as it takes, and goes on with the model."""
    async with WireServer(script=scripts.save(tmp_path / "wire.yaml", PLANNER)) as wire:
        wire.faults.set("test", "server")
        patience = BREAKERS | {"patience": timedelta(hours=8)}
        options = {"openai_base_url": wire.openai_url, "agents": copied(tmp_path / "agents"), "breakers": patience}
        async with stack(environment.client, tmp_path / "state", **options) as running:
            with environment.with_time_skipping_disabled():
                run = await running.deliver(sample(tmp_path / "sample"), check="true")
                await wire.request(1)
            await environment.fast_forward(run, timedelta(minutes=90))
            scheduled = [event.activity_task_scheduled_event_attributes async for event in run.fetch_history_events()]
            assert 80 <= sum(one.activity_type.name == Models.call_model.__name__ for one in scheduled) <= 100
            assert len(wire.requests) >= 80
            said = await running.said(run)
            wire.faults.clear()
            await environment.fast_forward(run, timedelta(minutes=2))
            with environment.with_time_skipping_disabled():
                await running.gate(run, "plan")
                await run.cancel()
    assert said.count("waits for a model") == 1
