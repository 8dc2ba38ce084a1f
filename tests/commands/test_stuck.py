"""Runs that stand still are listed with the command that mends them, and that command does: each is made to stand still."""

import asyncio
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

import worker
from commands import server
from contracts.delivery.run import DeliveryInput, DeliveryReport
from converter import DATA_CONVERTER
from ledger.tables import turn
from search_attributes import SEARCH_ATTRIBUTES
from tests import scripts
from tests.commands.conftest import Baton
from tests.scripts import answer, item, plan, says
from tests.stack import PATIENCE, Stack, sample, stack, until
from tests.workflows.sending import Sdk, failed_tasks
from workflows.delivery.story import Delivery

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
PROBLEMS = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"
HELD_BACK = ("limit.", "history.maxInFlightUpdatePayloads", PROBLEMS)


@workflow.defn(name="Delivery")
class Careless(Delivery):
    """A delivery as it must not be: its handler for `poke` takes exactly one argument."""

    def __init__(self) -> None:
        super().__init__()
        workflow.set_signal_handler("poke", self._poke)

    def _poke(self, one: str) -> None:
        del one

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """As the real one."""
        return await super().run(asked)


@workflow.defn(name="Delivery")
class Changed(Delivery):
    """A delivery of another release, which does something else first."""

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """As the real one, later."""
        await workflow.sleep(timedelta(milliseconds=1))
        return await super().run(asked)


@workflow.defn(name="Delivery")
class Unstartable(Delivery):
    """A delivery whose first task always fails."""

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """Never gets anywhere."""
        raise RuntimeError("this release cannot begin a run")


@pytest.fixture(scope="module")
async def plain() -> AsyncIterator[Client]:
    """A client of somebody else's server: without our limits. It reports a problem at the first failed task, to save time."""
    values = [one for one in server.DYNAMIC_CONFIG if not one.startswith(HELD_BACK)] + [f"{PROBLEMS}=1"]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(server.temporal_program()),
        dev_server_extra_args=[part for value in values for part in ("--dynamic-config-value", value)],
        dev_server_log_level="error",
        search_attributes=SEARCH_ATTRIBUTES,
        data_converter=DATA_CONVERTER,
    ) as started:
        yield started.client


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Choose which Delivery the next workers serve."""
    ours = worker.WORKFLOWS

    def release(delivery: type) -> None:
        monkeypatch.setattr(worker, "WORKFLOWS", tuple(delivery if one is Delivery else one for one in ours))

    yield release
    monkeypatch.setattr(worker, "WORKFLOWS", ours)


Serve = Callable[..., AbstractAsyncContextManager[Stack]]


@pytest.fixture
def serve(plain: Client, tmp_path: Path, baton: Baton, released: Callable[[type], None]) -> Serve:
    """A worker that serves a Delivery of somebody's choice, and a command line that talks to its server."""
    script = scripts.save(tmp_path / "script.yaml", PLANNER)
    queue = f"stuck-{secrets.token_hex(4)}"

    @asynccontextmanager
    async def served(delivery: type, **more: Any) -> AsyncIterator[Stack]:
        released(delivery)
        async with stack(plain, baton.state, script, workflow_sandbox=False, task_queue=queue, **more) as running:
            baton.use(running)
            yield running

    return served


async def listed(baton: Baton, run: str) -> dict[str, Any]:
    """What `baton runs` says of a run as soon as it stands still."""

    async def look() -> dict[str, Any] | None:
        found = [one for one in (await baton.live("runs", "--json")).json["stuck"] if one["workflow"] == run]
        return found[0] if found else None

    return await until(look, f"{run} was listed as stuck")


def mended_by(running: Stack, command: str) -> None:
    """Run a printed command as a person would, with Temporal's program on the PATH."""
    words = shlex.split(command)
    assert words[0] == "temporal"
    address = running.client.service_client.config.target_host
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TEMPORAL_ADDRESS": address}
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


async def ended(running: Stack, run: str) -> str:
    """How the newest execution of a run ended."""
    report = await running.client.get_workflow_handle(run, result_type=DeliveryReport).result()
    return report.reason


async def turns(running: Stack) -> int:
    """How many model replies were paid."""
    return await running.ledger.read(lambda connection: connection.execute(select(func.count(turn.c.id))).scalar_one())


async def test_a_run_poisoned_by_a_signal_goes_on(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """A handler that fails at a signal holds the run; the printed reset drops that signal, and a decision wins again."""
    async with serve(Careless) as running:
        run = await running.deliver(sample(tmp_path / "sample"))
        view = await running.gate(run, "plan-1")
        await run.signal("poke")
        found = await listed(baton, run.id)
        assert any("missing 1 required positional argument" in why for why in await failed_tasks(run))
        shown = (await baton.live("runs")).err
        mended_by(running, found["command"])
        await running.decide(view, "reject", note="it answers again")
        assert await ended(running, run.id) == "the plan was rejected by maria: it answers again"
        assert (await baton.live("runs", "--json")).json["stuck"] == []
    assert found["cause"] == "WorkflowWorkerUnhandledFailure"
    assert "missing 1 required positional argument" in found["why"]
    assert "the latest signals (poke)" in found["mend"]
    assert f"{run.id} is stuck: WorkflowWorkerUnhandledFailure" in shown
    assert f"          {found['command']}" in shown


async def test_a_run_that_an_update_is_too_large_for_goes_on(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """Without our limits on the server 2.5 MB wedge a run; doctor warns of it, and the printed reset mends it."""
    async with serve(Delivery) as running:
        run = await running.deliver(sample(tmp_path / "sample"))
        view = await running.gate(run, "plan-1")
        large = {"gate": "plan-1", "by": "maria", "note": "x" * 2_500_000}
        sending = asyncio.create_task(Sdk(running.client).update(run.id, "approve", [large]))
        found = await listed(baton, run.id)
        warned = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        mended_by(running, found["command"])
        await running.decide(view, "reject", note="a smaller one")
        assert await ended(running, run.id) == "the plan was rejected by maria: a smaller one"
    assert found["cause"] == "PayloadsTooLarge"
    assert warned["payload limit"]["level"] == "warn"
    assert "limit.blobSize.error=6000000" in warned["payload limit"]["mend"]
    assert f"{run.id}: PayloadsTooLarge" in warned["stuck runs"]["text"]
    assert found["command"] in warned["stuck runs"]["mend"]


async def test_a_run_on_other_code_begins_again(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """A worker of another release cannot go on with a run; the printed reset begins it again, and pays no call twice."""
    async with serve(Delivery, runs_stay=True) as running:
        run = await running.deliver(sample(tmp_path / "sample"))
        view = await running.gate(run, "plan-1")
    async with serve(Changed) as running:
        paid = await turns(running)
        await run.signal("resume", {})
        found = await listed(baton, run.id)
        mended_by(running, found["command"])
        await until(lambda: waits_again(running, run.id), "the run came to its gate again")
        await running.decide(view, "reject", note="once more")
        assert await ended(running, run.id) == "the plan was rejected by maria: once more"
        assert await turns(running) == paid == 1
    assert found["cause"] == "NonDeterministicError"
    assert "start a worker with that code" in found["mend"]


async def waits_again(running: Stack, run: str) -> bool | None:
    """True once the new execution stands at its gate."""
    status = await running.client.get_workflow_handle(run).query("status")
    return True if status["waiting_for"] else None


async def test_a_run_that_cannot_begin_is_ended(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """A run whose first task fails has done nothing: doctor prints how to end it, and that ends it."""
    async with serve(Unstartable) as running:
        run = await running.deliver(sample(tmp_path / "sample"))

        async def found() -> str | None:
            findings = (await baton.live("doctor", "--json")).json["findings"]
            stuck = next(one for one in findings if one["name"] == "stuck runs")
            return stuck["mend"] if run.id in stuck["text"] else None

        mend = await until(found, f"doctor found {run.id}")
        mended_by(running, mend.rpartition(": ")[2])
        status = (await run.describe()).status
    assert "it never started" in mend
    assert status == WorkflowExecutionStatus.TERMINATED
