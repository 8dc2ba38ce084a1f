"""Starts that Temporal would repeat by itself: they are refused, and nothing of them is taken for a run that went back."""

import secrets
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy

from ledger.tables import run as run_table
from tests.scripts import answer, item, plan, says
from tests.stack import Stack, result_of, sample
from tests.workflows.conftest import Start

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))


async def _started(stack: Stack, folder: Path, pipeline: str = "Delivery", **more: Any) -> WorkflowHandle[Any, Any]:
    asked = {"repository": str(sample(folder / "sample")), "owner": "olga"}
    asked |= {"head": "main"} if pipeline == "Review" else {"instruction": "Fix it"}
    name = f"repeated-{secrets.token_hex(4)}"
    return await stack.client.start_workflow(pipeline, asked, id=name, task_queue=stack.settings.task_queue, **more)


async def _first_failure(stack: Stack, run: WorkflowHandle[Any, Any]) -> str:
    first = stack.client.get_workflow_handle(run.id, run_id=run.first_execution_run_id)
    with pytest.raises(WorkflowFailureError) as failed:
        await first.result(follow_runs=False)
    return str(failed.value.cause)


async def _rows(stack: Stack) -> int:
    return await stack.ledger.read(
        lambda connection: int(connection.execute(select(func.count()).select_from(run_table)).scalar() or 0)
    )


@pytest.mark.parametrize("pipeline", ["Delivery", "Review", "Delivry"])
async def test_a_cron_schedule_is_refused_for_good(start: Start, tmp_path: Path, pipeline: str) -> None:
    """The workflow fails with what to use instead when its first run is due; no other follows, and none is on record."""
    async with start(PLANNER, check=None) as stack:
        run = await _started(stack, tmp_path, pipeline, cron_schedule="@every 1s")
        with pytest.raises(WorkflowFailureError) as failed:
            await result_of(run)
        described = await stack.client.get_workflow_handle(run.id).describe()
        rows = await _rows(stack)
    assert "Use a Schedule" in str(failed.value.cause)
    assert described.status == WorkflowExecutionStatus.FAILED
    assert rows == 0


@pytest.mark.parametrize("wrong", [{"instruction": 7}, None, "text", {"instruction": "Fix it", "more": "x"}])
async def test_a_cron_schedule_with_a_wrong_input_is_refused_for_good(start: Start, wrong: object) -> None:
    """What could not be read failed again at every tick; it ends as the others do."""
    async with start(PLANNER, check=None) as stack:
        name, queue = f"repeated-{secrets.token_hex(4)}", stack.settings.task_queue
        run = await stack.client.start_workflow("Delivery", wrong, id=name, task_queue=queue, cron_schedule="@every 1s")
        with pytest.raises(WorkflowFailureError) as failed:
            await result_of(run)
        assert (await stack.client.get_workflow_handle(name).describe()).status == WorkflowExecutionStatus.FAILED
    assert "Use a Schedule" in str(failed.value.cause)


@pytest.mark.parametrize("policy", [RetryPolicy(), RetryPolicy(maximum_attempts=3)])
async def test_a_retry_policy_is_refused(start: Start, tmp_path: Path, policy: RetryPolicy) -> None:
    """Refused for good: there is one attempt, nothing on record, and the reason says what to leave out."""
    async with start(PLANNER, check=None) as stack:
        run = await _started(stack, tmp_path, retry_policy=policy)
        reason = await _first_failure(stack, run)
        described = await run.describe()
        rows = await _rows(stack)
    assert "cannot be started with a retry policy" in reason
    assert (described.status, described.run_id) == (WorkflowExecutionStatus.FAILED, run.first_execution_run_id)
    assert rows == 0


async def test_a_policy_that_retries_nothing_is_no_retry_policy(start: Start, tmp_path: Path) -> None:
    """A client that asks for one attempt gets a run."""
    async with start(PLANNER, check=None) as stack:
        run = await _started(stack, tmp_path, retry_policy=RetryPolicy(maximum_attempts=1))
        await stack.decide(await stack.gate(run, "plan"), "reject", note="seen enough")
        assert (await run.result())["state"] == "could_not"
