"""Cancel at each stage, pause and resume, a killed worker, and replay of what really happened."""

import asyncio
import contextlib
import gc
import secrets
import warnings
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import CancelledError
from temporalio.worker import Replayer

import config
import worker
from contracts.reports import RunStatus
from converter import DATA_CONVERTER
from ledger import gates, runs
from ledger.db import Ledger
from ledger.migrate import upgrade
from ledger.tables import reservation, turn
from tests import scripts
from tests.depth import deep, soak
from tests.processes import Worker
from tests.scripts import a_tester, answer, call, calls, edit, item, plan, read, says, writer
from tests.stack import PATIENCE, Stack, git, sample, until
from tests.workflows.conftest import Start
from workflow_runner import workflow_runner
from workflows.guard import Guard

OLD = "    return int(cents * (100 - percent) / 100)\n"
FIX = edit("shop/pricing.py", OLD, "    return (cents * (100 - percent) + 50) // 100\n")
PLANNER = says("planner", read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"]))))
CHECKS = calls(call("run_checks"))


def slowly(conversation: dict[str, Any]) -> dict[str, Any]:
    """The same words, but each after a time in which a test can act."""
    return conversation | {"delay_ms": 600_000}


async def _while_planning(stack: Stack, run: WorkflowHandle[Any, Any]) -> None:
    await until(lambda: _activity(run, "call_model"), "the planner was asked")


async def _at_the_plan_gate(stack: Stack, run: WorkflowHandle[Any, Any]) -> None:
    await stack.gate(run, "plan")


async def _while_writing(stack: Stack, run: WorkflowHandle[Any, Any]) -> None:
    await stack.approve(run, "plan")
    child = stack.client.get_workflow_handle(f"{run.id}.write.1.fix")
    await until(lambda: _activity(child, "call_model"), "the writer was asked")


async def _at_the_change_gate(stack: Stack, run: WorkflowHandle[Any, Any]) -> None:
    await stack.approve(run, "plan")
    await stack.gate(run, "change")


async def _activity(run: WorkflowHandle[Any, Any], name: str) -> bool | None:
    try:
        pending = (await run.describe()).raw_description.pending_activities
    except Exception as error:  # the child may not have started yet
        if "not found" in str(error):
            return None
        raise
    return True if any(one.activity_type.name == name for one in pending) else None


Stage = tuple[str, Callable[[Stack, Any], Awaitable[None]], list[dict[str, Any]]]

IN_THE_PLAN: tuple[Stage, ...] = (
    ("planning", _while_planning, [slowly(PLANNER)]),
    ("plan gate", _at_the_plan_gate, [PLANNER]),
)
STAGES: list[Stage] = [
    *soak(*IN_THE_PLAN),
    ("writing", _while_writing, [PLANNER, slowly(writer("fix", FIX))]),
    ("change gate", _at_the_change_gate, [PLANNER, writer("fix", FIX), a_tester()]),
]


@pytest.mark.parametrize(("stage", "reach", "script"), STAGES, ids=[name for name, _, _ in STAGES])
async def test_cancelling_leaves_nothing_held_and_nothing_pushed(
    start: Start, tmp_path: Path, stage: str, reach: Any, script: list[dict[str, Any]]
) -> None:
    """Cancelled at any stage: no money held, no gate open, no workspace, nothing pushed, and the row says so."""
    origin = sample(tmp_path / "sample")
    async with start(*script) as stack:
        run = await stack.deliver(origin)
        await reach(stack, run)
        await run.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await asyncio.wait_for(run.result(), PATIENCE)
        row = await stack.ledger.read(runs.find, run.id)
        held = await stack.ledger.read(_held)
        waiting = await stack.ledger.read(gates.open_gates)
    assert isinstance(ended.value.cause, CancelledError)
    assert (row.state, held, waiting) == ("cancelled", 0, [])
    assert not list((tmp_path / "state" / "workspaces" / "files").glob("*/*"))
    assert git(origin, "branch", "--list").split() == ["*", "main"]


def _held(connection: Any) -> int:
    return int(connection.execute(select(func.count()).where(reservation.c.state == "held")).scalar_one())


async def test_a_paused_run_goes_on_after_resume(start: Start, tmp_path: Path) -> None:
    """While paused nothing new is started, gates still take decisions, and resume goes on from there. What happened replays:
    on the code as it is no command of the run or of its child differs."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan")
        assert await run.execute_update("pause", {}) == "paused"
        await until(lambda: _row_is(stack, run, "paused"), "the row says paused")
        await stack.decide(view)
        status = RunStatus.model_validate(await run.query("status"))
        children = [one async for one in stack.client.list_workflows(f"WorkflowId STARTS_WITH '{run.id}.'")]
        assert children == []
        assert await run.execute_update("resume", {}) == "resumed"
        await stack.approve(run, "change")
        report = await run.result()
        story = await stack.said(run)
        child = stack.client.get_workflow_handle(f"{run.id}.write.1.fix")
        histories = [await run.fetch_history(), await child.fetch_history()]
    assert status.state == "paused"
    assert report.state == "done"
    assert story.index("paused the run") < story.index("resumed the run") < story.index("started on fix")
    await _replay(histories)


async def _row_is(stack: Stack, run: WorkflowHandle[Any, Any], state: str) -> bool | None:
    row = await stack.ledger.read(runs.find, run.id)
    return True if row.state == state else None


@deep("tests/chaos/test_storm.py::test_nothing_is_lost_or_doubled_while_everything_is_killed")
async def test_a_killed_worker_loses_and_doubles_nothing(client: Client, tmp_path: Path) -> None:
    """The only worker dies when a writer has edited a file; another finishes. No turn is paid twice, one branch is pushed."""
    origin = sample(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX, CHECKS), a_tester())
    queue = f"kill-{secrets.token_hex(4)}"
    where = {"state": tmp_path / "state", "task_queue": queue, "model": "scripted:x", "script": script}
    settings = config.Settings(**where, failpoint=f"tool.before_result kill 1 {tmp_path / 'marker'}")
    ledger = Ledger(settings.database, settings.artifacts)
    upgrade(ledger)
    stack = Stack(client, settings, ledger, None)  # type: ignore[arg-type]  # its parts are in the other process
    with Worker(client, settings, tmp_path / "worker.log") as worker, contextlib.closing(ledger):
        run = await stack.deliver(origin, branch="after-the-kill")
        await stack.approve(run, "plan")
        await worker.died()
        worker.start()
        await stack.approve(run, "change")
        report = await run.result()
        paid = await ledger.read(_paid)
    assert (report.state, report.tests.verdict if report.tests else "") == ("done", "passed")
    assert git(origin, "rev-list", "--count", "main..after-the-kill") == "1"
    assert paid["turns"] == paid["distinct"]
    assert paid["held"] == 0


def _paid(connection: Any) -> dict[str, int]:
    rows = connection.execute(select(turn.c.id, turn.c.path, turn.c.parent)).all()
    return {"turns": len(rows), "distinct": len({(row.path, row.parent) for row in rows}), "held": _held(connection)}


async def _replay(histories: Sequence[WorkflowHistory]) -> None:
    replayer = Replayer(
        workflows=worker.WORKFLOWS,
        data_converter=DATA_CONVERTER,
        interceptors=[Guard()],
        workflow_runner=workflow_runner(sandboxed=True),
    )
    for history in histories:
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        assert result.replay_failure is None


async def test_a_worker_that_stops_closes_its_cached_runs_quietly(start: Start, tmp_path: Path) -> None:
    """Runs with children under way leave the cache when a worker stops: no coroutine resists, and the run stays."""
    origin = sample(tmp_path / "sample")
    conversations = [PLANNER, slowly(writer("fix", FIX))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with start(*conversations, runs_stay=True) as stack:
            run = await stack.deliver(origin)
            await _while_writing(stack, run)
        gc.collect()
        assert (await run.describe()).status == WorkflowExecutionStatus.RUNNING
        await run.terminate("the test is over")
    assert [str(one.message) for one in caught if "GeneratorExit" in str(one.message)] == []
