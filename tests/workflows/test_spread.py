"""Very many children through a layer: cancellation, pause, deadlines and money reach every one, and no history has them all."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import annotated_types
import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.repositories.grouping import GROUPS
from activities.running.tracing import Tracing
from contracts.delivery.plan import Plan
from contracts.diagnosis_input import SERVICES
from ledger.tables import scope
from tests import scripts
from tests.activities import agentfiles
from tests.replay.scenarios import row_is, took_the_answer
from tests.replay.test_saved import replayer
from tests.scripts import Turn, answer, says, summary
from tests.stack import PATIENCE, Stack, held, result_of, stack, until
from tests.wire.server import WireServer
from tests.workflows.spreading import Leaf, Spreading
from tests.workflows.test_gates import environment
from tests.workflows.test_parking import PRICED
from workflow_runner import workflow_runner
from workflows.guard import Guard
from workflows.kit.fan_out import CHILDREN_LIMIT
from workflows.kit.spread import Spread
from workflows.load import batches_of_part
from workflows.support import TOGETHER

__all__ = ["environment"]

Run = WorkflowHandle[Any, dict[str, str]]
WORKFLOWS = (Spreading, Spread, Leaf)


@contextlib.asynccontextmanager
async def spreading(client: Client, folder: Path, *turns: Turn, **settings: Any) -> AsyncIterator[Stack]:
    """A worker that knows these children. `turns` are what the agent says; none: that it is done."""
    agents = folder / "agents"
    agentfiles.write(agents, "Do {{ task.instruction }}.", tools=["run_state"], limits={"turns": 4})
    (agents / "routes.toml").write_text(PRICED if settings else agentfiles.ROUTES)
    script = None if settings else scripts.save(folder / "script.yaml", says("helper", *(turns or (answer(summary("it")),))))
    async with (
        stack(client, folder / "state", script, agents=agents, **settings) as running,
        Worker(
            client,
            task_queue=f"{running.settings.task_queue}-spread",
            workflows=WORKFLOWS,
            activities=running.parts.activities,
            interceptors=[Guard(), Tracing()],
            workflow_runner=workflow_runner(sandboxed=True),
        ),
    ):
        yield running


async def started(running: Stack, does: dict[str, str], **asked: Any) -> Run:
    """Begin one."""
    queue, name = f"{running.settings.task_queue}-spread", f"spread-{secrets.token_hex(4)}"
    whole = {"owner": "olga", "does": does} | asked
    return await running.client.start_workflow("Spreading", whole, id=name, task_queue=queue, result_type=dict[str, str])


def leaf(running: Stack, run: Run, group: int, name: str) -> WorkflowHandle[Any, Any]:
    """One child, below its group."""
    return running.client.get_workflow_handle(f"{run.id}.leaf.g{group:02}.each.{name}")


def test_no_shipped_pipeline_needs_a_layer() -> None:
    """Each has a bound of its own on the children that one history has, and none is above that of a parent. Whoever raises one
    beyond it uses `spread`: docs/extending.md has the table."""
    items = next(one.max_length for one in Plan.model_fields["items"].metadata if isinstance(one, annotated_types.MaxLen))
    parts = [-(-batches // batches_of_part(batches)) for batches in (1, 40, 4000, 4001, 4100, 123_457, 10**9)]
    assert max(parts) == CHILDREN_LIMIT
    assert max(items, SERVICES, GROUPS, TOGETHER) <= CHILDREN_LIMIT


async def replays(run: WorkflowHandle[Any, Any]) -> None:
    """Its history is what the code would do again."""
    await replayer(*WORKFLOWS).replay_workflow(await run.fetch_history())


async def is_there(child: WorkflowHandle[Any, Any]) -> WorkflowExecutionStatus | None:
    """Its status, once there is one."""
    try:
        return (await child.describe()).status
    except Exception as error:
        if "not found" not in str(error):
            raise
        return None


async def _ended(child: WorkflowHandle[Any, Any]) -> bool | None:
    return await is_there(child) == WorkflowExecutionStatus.COMPLETED or None


async def test_one_that_never_answers_is_told_and_the_others_are_done(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """Of ten children in groups one is over its deadline, and one has too much to say. All layers replay, and are small."""
    async with spreading(environment.client, tmp_path) as running:
        does = {f"n{number}": "done" for number in range(10)} | {"n4": "hang", "n9": "large"}
        with environment.with_time_skipping_disabled():
            run = await started(running, does)
            silent = leaf(running, run, 2, "n4")
            await until(lambda: is_there(silent), "the child that never answers runs")
            for number in (1, 3):
                await running.client.get_workflow_handle(f"{run.id}.leaf.g{number:02}").result()
            await until(lambda: _ended(leaf(running, run, 2, "n5")), "the last child beside it has ended")
        await environment.fast_forward(silent, timedelta(hours=1))
        made = await result_of(run)
        assert list(made) == list(does)
        assert made["n4"] == "the child workflow did not answer within its deadline of 1:00:00"
        assert "go through a layer" in made["n9"]
        assert {one for name, one in made.items() if name not in ("n4", "n9")} == {"done"}
        groups = [running.client.get_workflow_handle(f"{run.id}.leaf.g{number:02}") for number in (1, 2, 3)]
        for handle in (run, *groups, leaf(running, run, 1, "n0")):
            await replays(handle)
        history = await run.fetch_history()
        begun = [one for one in history.events if one.HasField("start_child_workflow_execution_initiated_event_attributes")]
        assert len(begun) == 3
        assert sum(event.ByteSize() for event in history.events) < 10 * 1024 * len(does)


async def test_a_cancellation_reaches_every_child(client: Client, tmp_path: Path) -> None:
    """Those that run end as cancelled, those that wait for room are never started, and the run ends after them."""
    async with spreading(client, tmp_path) as running:
        run = await started(running, {f"n{number}": "hang" for number in range(9)}, limit=6)
        first = [leaf(running, run, 1 + number // 3, f"n{number}") for number in (0, 1, 3, 4, 6, 7)]
        for child in first:
            await until(lambda child=child: is_there(child), "the child runs")  # type: ignore[misc]
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(run.result(), PATIENCE)
        assert {await is_there(child) for child in first} == {WorkflowExecutionStatus.CANCELED}
        assert await is_there(leaf(running, run, 1, "n2")) is None
        await replays(run)


async def test_a_pause_reaches_a_child_below_a_layer(client: Client, tmp_path: Path) -> None:
    """What has not begun does not begin, and a child that works does nothing more; resumed, all are done."""
    async with spreading(client, tmp_path) as running:
        model = held(running, "helper")
        run = await started(running, {f"n{number}": "ask" for number in range(6)}, layer=3, limit=2)
        await asyncio.wait_for(model.asked.wait(), PATIENCE)
        await run.execute_update("pause", {})
        await until(lambda: row_is(running, run, "paused"), "the row says paused")
        model.go.set()
        first = [leaf(running, run, 1, "n0"), leaf(running, run, 2, "n3")]
        for child in first:
            await until(lambda child=child: took_the_answer(child), "the child has its model's answer")  # type: ignore[misc]
        assert {await is_there(child) for child in first} <= {
            WorkflowExecutionStatus.RUNNING,
            WorkflowExecutionStatus.COMPLETED,
        }
        assert await is_there(leaf(running, run, 1, "n1")) is None
        await run.execute_update("resume", {})
        assert set((await result_of(run)).values()) == {"done"}


async def test_money_is_shared_through_both_layers(client: Client, tmp_path: Path) -> None:
    """A child that a ceiling refuses asks at the run's own gate; raised, all go on; each slice is given back in the end."""
    script = scripts.save(tmp_path / "wire.yaml", says("helper", answer(summary("it"))))
    async with WireServer(script=script) as server:
        paid = {"model": "", "openai_base_url": server.openai_url}
        async with spreading(client, tmp_path, **paid) as running:
            run = await started(running, {f"n{number}": "ask" for number in range(6)}, layer=3, ceiling_usd="0.000001")
            view = await running.gate(run, "ceiling-1")
            assert server.requests == []
            await running.decide(view, "raise_ceiling", to_usd="50")
            made = await result_of(run)
            rows = await running.ledger.read(lambda connection: connection.execute(scope.select()).all())
        own = {row.id: row for row in rows if row.id.startswith(f"run:{view.trace}")}
    assert set(made.values()) == {"done"}
    assert len(server.requests) == 6
    assert {name.count("/") for name in own} == {0, 2, 4}
    assert sum(row.held for row in own.values()) == 0
