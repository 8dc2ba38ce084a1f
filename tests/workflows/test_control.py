"""Cancel at each stage, pause and resume, a killed worker, and replay of what really happened."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.worker import Replayer

import config
import worker
from commands import server
from contracts.delivery.run import DeliveryReport
from contracts.reports import RunStatus
from converter import DATA_CONVERTER
from ledger import gates, runs
from ledger.db import Ledger
from ledger.tables import reservation, turn
from tests import scripts
from tests.scripts import a_tester, answer, call, calls, edit, item, plan, read, says, writer
from tests.stack import Stack, git, sample, until
from tests.workflows.conftest import Start
from workflows.guard import Guard

OLD = "    return int(cents * (100 - percent) / 100)\n"
FIX = edit("shop/pricing.py", OLD, "    return (cents * (100 - percent) + 50) // 100\n")
PLANNER = says("planner", read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"]))))
CHECKS = calls(call("run_checks"))


def slowly(conversation: dict[str, Any]) -> dict[str, Any]:
    """The same words, but each after a time in which a test can act."""
    return conversation | {"delay_ms": 20_000}


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


STAGES: list[tuple[str, Callable[[Stack, Any], Awaitable[None]], list[dict[str, Any]]]] = [
    ("planning", _while_planning, [slowly(PLANNER)]),
    ("plan gate", _at_the_plan_gate, [PLANNER]),
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
            await asyncio.wait_for(run.result(), 40)
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
    """While paused nothing new is started, gates still take decisions, and resume goes on from there."""
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
    assert status.state == "paused"
    assert report.state == "done"
    assert story.index("paused the run") < story.index("resumed the run") < story.index("started on fix")


async def _row_is(stack: Stack, run: WorkflowHandle[Any, Any], state: str) -> bool | None:
    row = await stack.ledger.read(runs.find, run.id)
    return True if row.state == state else None


async def test_a_killed_worker_loses_and_doubles_nothing(client: Client, tmp_path: Path) -> None:
    """SIGKILL of the only worker while a writer works; another one finishes. No turn is paid twice, one branch is pushed."""
    origin = sample(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX, CHECKS), a_tester())
    settings = config.Settings(state=tmp_path / "state", task_queue=f"kill-{os.getpid()}", model="scripted:x", script=script)
    variables = {
        **os.environ,
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "BATON_STATE": str(settings.state),
        "BATON_TASK_QUEUE": settings.task_queue,
        "BATON_MODEL": settings.model,
        "BATON_SCRIPT": str(script),
        "BATON_LOG_FORMAT": "json",
    }
    log = (tmp_path / "worker.log").open("wb")

    def launch() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(server.ROOT / "worker.py")], env=variables, stdout=log, stderr=log)

    first = launch()
    second: subprocess.Popen[bytes] | None = None
    try:
        run: WorkflowHandle[Any, DeliveryReport] = await client.start_workflow(
            "Delivery",
            {"repository": str(origin), "instruction": "Fix it", "owner": "olga", "branch": "after-the-kill"},
            id=f"kill-{os.getpid()}",
            task_queue=settings.task_queue,
            result_type=DeliveryReport,
        )
        ledger = await until(lambda: _opened(settings), "the worker made the ledger")
        stack = Stack(client, settings, ledger, None)  # type: ignore[arg-type]  # no parts in this process
        await stack.approve(run, "plan")
        child = client.get_workflow_handle(f"{run.id}.write.1.fix")
        await until(lambda: _activity(child, "run_tool"), "the writer ran a tool")
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = launch()
        await stack.approve(run, "change")
        report = await run.result()
        paid = await ledger.read(_paid)
        ledger.close()
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(20)
        log.close()
    assert (report.state, report.tests.verdict if report.tests else "") == ("done", "passed")
    assert git(origin, "rev-list", "--count", "main..after-the-kill") == "1"
    assert paid["turns"] == paid["distinct"]
    assert paid["held"] == 0


async def _opened(settings: config.Settings) -> Ledger | None:
    """The ledger, once the worker has migrated it and written the run's row."""
    if not (settings.state / "ledger.db").exists():
        return None
    ledger = Ledger(settings.database, settings.artifacts)
    try:
        ledger.read_now(gates.open_gates)
    except Exception as error:
        ledger.close()
        if "no such table" in str(error) or "locked" in str(error):
            return None
        raise
    return ledger


def _paid(connection: Any) -> dict[str, int]:
    rows = connection.execute(select(turn.c.id, turn.c.path, turn.c.parent)).all()
    return {"turns": len(rows), "distinct": len({(row.path, row.parent) for row in rows}), "held": _held(connection)}


async def test_a_finished_delivery_replays(start: Start, client: Client, tmp_path: Path) -> None:
    """The histories of a run and of its child replay on the code as it is: no command differs."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan")
        await stack.approve(run, "change")
        await run.result()
        histories = [await run.fetch_history(), await client.get_workflow_handle(f"{run.id}.write.1.fix").fetch_history()]
    replayer = Replayer(
        workflows=worker.WORKFLOWS,
        data_converter=DATA_CONVERTER,
        interceptors=[Guard()],
        workflow_runner=worker.workflow_runner(sandboxed=True),
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
        async with start(*conversations) as stack:
            run = await stack.deliver(origin)
            await _while_writing(stack, run)
        gc.collect()
        assert (await run.describe()).status == WorkflowExecutionStatus.RUNNING
        await run.terminate("the test is over")
    assert [str(one.message) for one in caught if "GeneratorExit" in str(one.message)] == []
