"""The children of a large review are under the run's control: a pause and a cancel reach them, and they stop for money."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle

from ledger.tables import trip
from tests import scripts
from tests.depth import deep
from tests.replay.save import models_of
from tests.replay.scenarios import row_is, took_the_answer
from tests.stack import Stack, held, result_of, stack, until
from tests.workflows.conftest import Start
from tests.workflows.reviewing import HAPPY, change, enlarge, review


async def at_work(running: Stack, run: WorkflowHandle[Any, Any]) -> list[WorkflowHandle[Any, Any]]:
    """The children of the first four groups, once each has asked a model. The fifth waits for a place."""
    children = [running.client.get_workflow_handle(f"{run.id}.part.1.g0{number}") for number in range(1, 5)]

    async def all_asked() -> bool | None:
        if (await running.client.count_workflows(f"WorkflowId STARTS_WITH '{run.id}.part.'")).count < len(children):
            return None
        pending = [(await one.describe()).raw_description.pending_activities for one in children]
        return True if all(any(one.activity_type.name == "call_model" for one in several) for several in pending) else None

    await until(all_asked, "four groups have asked a model")
    return children


async def begun(child: WorkflowHandle[Any, Any]) -> int:
    """How many models a child has asked so far."""
    sent = [event.activity_task_scheduled_event_attributes for event in (await child.fetch_history()).events]
    return sum(one.activity_type.name == "call_model" for one in sent)


@deep(
    "tests/workflows/test_review_further.py::test_a_large_change_is_reviewed_in_groups",
    "tests/workflows/test_diagnosis_children.py::test_all_are_looked_at_at_once_and_a_pause_reaches_them",
    "tests/workflows/test_spread.py::test_a_pause_reaches_a_child_below_a_layer",
)
async def test_a_pause_reaches_every_group(start: Start, tmp_path: Path) -> None:
    """Each takes its analyst's answer and asks no reviewer; no further group begins; resumed, all are reviewed."""
    origin, _ = change(tmp_path / "sample")
    enlarge(tmp_path / "sample")
    async with start(*HAPPY, check=None) as running:
        analyst = held(running, "diff_analyst")
        run = await review(running, origin, head="large")
        children = await at_work(running, run)
        await run.execute_update("pause", {})
        await until(lambda: row_is(running, run, "paused"), "the row says paused")
        analyst.go.set()
        for child in children:
            await until(lambda child=child: took_the_answer(child), "the group has taken its analyst's answer")  # type: ignore[misc]
        asked = [await begun(child) for child in children]
        there = (await running.client.count_workflows(f"WorkflowId STARTS_WITH '{run.id}.part.'")).count
        assert await run.execute_update("resume", {}) == "resumed"
        report = await result_of(run)
    assert (asked, there) == ([1, 1, 1, 1], 4)
    assert (report.state, report.missing) == ("done", ())


async def test_a_cancel_reaches_every_group(start: Start, tmp_path: Path) -> None:
    """All children end as cancelled, and nobody merges anything."""
    origin, _ = change(tmp_path / "sample")
    enlarge(tmp_path / "sample")
    async with start(*HAPPY, check=None) as running:
        held(running, "diff_analyst")
        run = await review(running, origin, head="large")
        children = await at_work(running, run)
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await run.result()

        async def closed() -> set[WorkflowExecutionStatus | None] | None:
            states = {(await child.describe()).status for child in children}
            return None if WorkflowExecutionStatus.RUNNING in states else states

        states = await until(closed, "no group is at work")
        lines = await running.feed(run)
    assert states == {WorkflowExecutionStatus.CANCELED}
    assert not [line for line in lines if line.actor.startswith("synthesiser")]


@deep(
    "tests/workflows/test_review_further.py::test_a_large_change_is_reviewed_in_groups",
    "tests/workflows/test_diagnosis_children.py::test_a_ceiling_asks_a_person_once",
    "tests/workflows/test_spread.py::test_money_is_shared_through_both_layers",
)
async def test_a_ceiling_asks_a_person(client: Client, tmp_path: Path) -> None:
    """No group makes a call that there is no room for; one gate for all of them, and raised, every group is reviewed."""
    origin, _ = change(tmp_path / "sample")
    enlarge(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", *HAPPY)
    async with models_of(tmp_path, script, paid=True) as models, stack(client, tmp_path / "state", **models) as running:
        run = await review(running, origin, head="large", ceiling_usd="0.000001")
        view = await running.gate(run, "ceiling")
        assert view.ceiling is not None
        assert view.ceiling.spent == 0
        await running.decide(view, "raise_ceiling", to_usd="100")
        report = await result_of(run)
        trips = await running.ledger.read(lambda connection: connection.execute(select(trip)).all())
    assert (report.state, report.missing) == ("done", ())
    assert [one.how for one in trips] == ["raise_ceiling"]
    assert report.usd_micros > 0
