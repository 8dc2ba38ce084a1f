"""Gates and time, on a server that skips it: deadlines, reminders, escalation."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from commands import server
from contracts.gates import GateView
from converter import DATA_CONVERTER
from ledger import gates
from ledger.tables import notice
from search_attributes import SEARCH_ATTRIBUTES
from tests import scripts
from tests.scripts import answer, item, plan, says
from tests.stack import Stack, result_of, sample, stack

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
POLICY = Path("policy.toml").read_text()


@pytest.fixture(scope="module")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """A server on which time can be moved, workflow by workflow."""
    values = (*server.DYNAMIC_CONFIG, "frontend.WorkflowTimeSkippingEnabled=true")
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(server.temporal_program()),
        dev_server_extra_args=[part for value in values for part in ("--dynamic-config-value", value)],
        dev_server_log_level="error",
        search_attributes=SEARCH_ATTRIBUTES,
        data_converter=DATA_CONVERTER,
    ) as started:
        yield started


async def _waiting(environment: WorkflowEnvironment, stack: Stack, origin: Path) -> tuple[Any, GateView]:
    with environment.with_time_skipping_disabled():
        run = await stack.deliver(origin)
        return run, await stack.gate(run, "plan-1")


def _policy(folder: Path, rule: str) -> Path:
    """policy.toml with another rule for the plan gate."""
    head, _, rest = POLICY.partition("[gates.plan]\n")
    _, _, rest = rest.partition("\n\n")
    path = folder / "policy.toml"
    path.write_text(f"{head}[gates.plan]\n{rule}\n\n{rest}")
    return path


async def _heard(running: Stack) -> list[tuple[str, list[str], int | None]]:
    """What people should have heard of the plan gate: kind, who is asked, and the hours from its opening to the deadline."""
    rows = await running.ledger.read(lambda connection: connection.execute(notice.select().order_by(notice.c.seq)).all())
    own = [row for row in rows if row.about == "plan-1"]
    hour = 3_600_000_000
    first = own[0].deadline - 8 * hour
    return [(row.kind, json.loads(row.who), round((row.deadline - first) / hour) if row.deadline else None) for row in own]


async def test_silence_rejects_at_the_deadline(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """Nobody answers: there is a reminder, and at the deadline the run ends as not approved."""
    policy = _policy(tmp_path, 'who = ["*"]\ndeadline = "PT8H"\nreminder = "PT4H"')
    script = scripts.save(tmp_path / "script.yaml", PLANNER)
    async with stack(environment.client, tmp_path / "state", script, policy=policy) as running:
        run, view = await _waiting(environment, running, sample(tmp_path / "sample"))
        await environment.fast_forward(run, timedelta(hours=5))
        assert "reminded of plan-1" in await running.said(run)
        await environment.fast_forward(run, timedelta(hours=4))
        report = await result_of(run)
        story, heard = await running.said(run), await _heard(running)
    assert heard == [("gate_opened", ["*"], 8), ("reminder", ["*"], 8), ("expired", ["*"], None)]
    assert (view.deadline - view.opened_at, report.state) == (timedelta(hours=8), "could_not")
    assert report.reason == "the plan was not approved: plan-1 expired"
    assert "closed gate plan-1: expired | nobody decided before the deadline" in story


async def test_silence_escalates_before_it_rejects(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """At the first deadline the next in line may decide as well, for another deadline; then silence rejects."""
    policy = _policy(tmp_path, 'who = ["maria"]\ndeadline = "PT8H"\nescalation = ["olga"]\nexpiry = "escalate"')
    script = scripts.save(tmp_path / "script.yaml", PLANNER)
    async with stack(environment.client, tmp_path / "state", script, policy=policy) as running:
        run, view = await _waiting(environment, running, sample(tmp_path / "sample"))
        with pytest.raises(Exception) as refused, environment.with_time_skipping_disabled():
            await running.decide(view, "reject", by="olga", note="no")
        await environment.fast_forward(run, timedelta(hours=9))
        with environment.with_time_skipping_disabled():
            assert [one.gate for one in await running.ledger.read(gates.open_gates)] == ["plan-1"]
            await running.decide(view, "reject", by="olga", note="no")
        report = await result_of(run)
        story, heard = await running.said(run), await _heard(running)
    assert heard == [("gate_opened", ["maria"], 8), ("escalation", ["olga"], 16)]
    assert "'olga' may not decide here; policy allows maria" in str(refused.value.__cause__)
    assert "escalated plan-1 to olga" in story
    assert report.reason == "the plan was rejected by olga: no"


async def test_a_decision_before_the_deadline_counts(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """An acknowledged decision is the outcome, also when it comes just before the deadline."""
    policy = _policy(tmp_path, 'who = ["*"]\ndeadline = "PT8H"')
    script = scripts.save(tmp_path / "script.yaml", PLANNER)
    async with stack(environment.client, tmp_path / "state", script, policy=policy) as running:
        run, view = await _waiting(environment, running, sample(tmp_path / "sample"))
        await environment.fast_forward(run, timedelta(hours=7, minutes=59))
        with environment.with_time_skipping_disabled():
            answered = await running.decide(view, "reject", note="in time")
        report = await result_of(run)
    assert (answered["won"], answered["by"]) == (True, "maria")
    assert report.reason == "the plan was rejected by maria: in time"
