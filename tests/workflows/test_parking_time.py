"""Runs that wait for money, on a server that skips time: they look again by themselves, and silence stops them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from activities.runs import admission
from activities.turns import models
from ledger import gates
from ledger.money import ceilings
from ledger.money.ceilings import Change
from tests import scripts
from tests.children import PATIENCE
from tests.dates import fifth, on_the_fifth
from tests.depth import count
from tests.paid import copied
from tests.scripts import answer, item, plan, says, summary, unsure, writer
from tests.stack import Stack, result_of, sample, stack
from tests.wire.server import WireServer
from tests.workflows.test_gates import PLANNER, environment

__all__ = ["environment"]

REMINDED = count(6, soak=24)
"""Hours until people are reminded, a third of those until the deadline; one call in each. Policy as it is shipped has a day."""

LEVELS = {"run_usd": 20, "agent_day_usd": 100, "month_usd": "0.0001"}


@contextlib.asynccontextmanager
async def poor(server: WorkflowEnvironment, folder: Path, **more: Path) -> AsyncIterator[tuple[Stack, WireServer]]:
    """A worker whose month is used up from the start and ends after the test, and the server that sees every call."""
    async with WireServer(script=scripts.save(folder / "wire.yaml", PLANNER)) as wire:
        options = {"openai_base_url": wire.openai_url, "agents": copied(folder / "agents"), "ceilings": LEVELS, **more}
        with on_the_fifth(models, admission):
            async with stack(server.client, folder / "state", **options) as running:
                yield running, wire


async def test_silence_stops_a_parked_run(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """Nobody decides: it asks again ever more seldom, there is a reminder, and at the deadline it stops with the reason."""
    head, table, rest = Path("policy.toml").read_text().partition("[gates.ceiling]\n")
    shipped = 'deadline = "P3D"\nreminder = "P1D"\n'
    assert shipped in rest
    policy = tmp_path / "policy.toml"
    policy.write_text(head + table + rest.replace(shipped, f'deadline = "PT{3 * REMINDED}H"\nreminder = "PT{REMINDED}H"\n', 1))
    async with poor(environment, tmp_path, policy=policy) as (running, wire):
        with environment.with_time_skipping_disabled():
            run = await running.deliver(sample(tmp_path / "sample"), check="true")
            view = await running.gate(run, "ceiling")
        await environment.fast_forward(run, timedelta(hours=REMINDED + 2))
        assert "reminded of ceiling-1" in await running.said(run)
        await environment.fast_forward(run, timedelta(hours=2 * REMINDED + 2))
        report = await result_of(run)
        asked = [
            event for event in (await run.fetch_history()).events if event.HasField("activity_task_scheduled_event_attributes")
        ]
        calls = [one for one in asked if one.activity_task_scheduled_event_attributes.activity_type.name == "call_model"]
    assert view.deadline - view.opened_at == timedelta(hours=3 * REMINDED)
    assert (report.state, wire.requests) == ("could_not", [])
    assert report.reason.startswith("stopped: nobody decided at ceiling-1 before the deadline; month:")
    # After 1, 2, 4, 8, 16 and 32 minutes, then every hour.
    assert 3 * REMINDED + 3 <= len(calls) <= 3 * REMINDED + 8


async def test_a_raise_that_nobody_told_of_is_found(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """The ceiling is raised and whoever did it dies before the nudge: the run looks by itself, and goes on."""
    async with poor(environment, tmp_path) as (running, _):
        with environment.with_time_skipping_disabled():
            run = await running.deliver(sample(tmp_path / "sample"), check="true")
            await running.gate(run, "ceiling")
            month = f"month:{fifth():%Y-%m}"
            await running.ledger.tx(ceilings.raise_to, Change("raise-1", month, 50_000_000, "maria", "month end", "cli"))
        await environment.fast_forward(run, timedelta(minutes=2))
        with environment.with_time_skipping_disabled():
            assert (await running.gate(run, "plan")).gate == "plan-1"
            assert "closed gate ceiling-1: released | there is room again for the call that waited" in await running.said(run)
            await run.cancel()


async def test_a_stop_ends_children_that_wait_for_a_person(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """Stopped at the ceiling of one child, the run ends at once: the other one's question is nobody's any more."""
    which = {"id": "which", "text": "Which one?"}
    agents = [says("planner", answer(plan(item("one", ["one.py"]), item("two", ["two.py"]))))]
    agents += [writer(name, unsure("both fit", which), answer(summary())) for name in ("one", "two")]
    async with WireServer(script=scripts.save(tmp_path / "wire.yaml", *agents)) as wire:
        options = {"openai_base_url": wire.openai_url, "agents": copied(tmp_path / "agents")}
        with environment.with_time_skipping_disabled():
            async with stack(environment.client, tmp_path / "state", **options) as running:
                run = await running.deliver(sample(tmp_path / "sample", {"one.py": "", "two.py": ""}), check="true")
                await running.approve(run, "plan")
                asked = [await running.gate(run, f"write.1.{name}.clarify-1") for name in ("one", "two")]
                await running.ledger.tx(ceilings.change, Change("cut", f"run:{asked[0].trace}", 1, "olga", "", "test"))
                await running.decide(asked[0], "answer", answers={"which": "the first"})
                await running.decide(await running.gate(run, "ceiling"), "stop", note="enough")
                report = await asyncio.wait_for(run.result(), PATIENCE)
                left = await running.ledger.read(gates.open_gates)
    assert (report.state, left) == ("could_not", [])
    assert "enough" in report.reason
