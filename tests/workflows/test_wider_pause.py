"""Pauses of an agent, a project or everything: they reach children, outlast the worker, and lose nothing."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from contracts.errors import NotFound
from contracts.pauses import HELD_UP, Paused
from ledger import pauses, runs
from ledger.db import Ledger
from ledger.tables import turn
from tests import scripts
from tests.scripts import a_tester, answer, edit, item, plan, read, says, writer
from tests.stack import PATIENCE, QUICK, Stack, held, sample, stack, until
from tests.workflows.conftest import Start

OLD = "    return int(cents * (100 - percent) / 100)\n"
FIX = edit("shop/pricing.py", OLD, "    return (cents * (100 - percent) + 50) // 100\n")
SCRIPT = (
    says("planner", answer(plan(item("fix", ["shop/pricing.py"])))),
    writer("fix", read("shop/pricing.py"), FIX),
    a_tester(),
)

Run = WorkflowHandle[Any, Any]


async def _put(stack: Stack, kind: Any, name: str) -> Paused:
    return await stack.ledger.tx(pauses.put, kind, name, "olga", "it deletes tests", "cli")


async def _lift(stack: Stack, kind: Any, name: str) -> None:
    await stack.ledger.tx(pauses.lift, kind, name, "bob", "it was the prompt", "cli")


async def _is_held(stack: Stack, run: Run) -> str:
    """Wait until the run's row says that a pause holds it; what it says comes next."""

    async def look() -> str | None:
        with contextlib.suppress(NotFound):  # before it is admitted
            row = await stack.ledger.read(runs.find, run.id)
            return str(row.next) if row.waiting_for == HELD_UP else None
        return None

    return await until(look, "the row says that a pause holds it")


async def _begun(run: Run) -> list[str]:
    """The activities that were scheduled, the local ones not."""
    sent = [event.activity_task_scheduled_event_attributes for event in (await run.fetch_history()).events]
    return [one.activity_type.name for one in sent if one.activity_type.name]


async def test_a_pause_of_an_agent_reaches_running_children(start: Start, tmp_path: Path) -> None:
    """A call that has begun ends and its answer is kept; the tool it asks for waits, in a child. Lifted, all goes on."""
    async with start(*SCRIPT, check=None) as stack:
        writers = held(stack, "writer")
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await stack.approve(run, "plan")
        await asyncio.wait_for(writers.asked.wait(), PATIENCE)
        made = await _put(stack, "agent", "writer")
        writers.go.set()
        following = await _is_held(stack, run)
        for part in ("agent writer is paused by olga since", "it deletes tests", "`baton resume --agent writer -m why`"):
            assert part in following
        child = stack.client.get_workflow_handle(f"{run.id}.write.1.fix")
        assert await _begun(child) == ["call_model", "await_resume"]  # the tool is refused inside the workflow task
        assert await stack.ledger.read(_asked) == ["planner", "writer"]
        await _lift(stack, "agent", "writer")
        await stack.approve(run, "change")
        assert (await run.result()).state == "done"
        said = [(line.did, line.why) for line in await stack.feed(run) if line.path.startswith("write")]
    assert said.count((f"held: {made.told}", "it deletes tests")) == 1
    assert said.count(("goes on: agent writer was resumed by bob", "it was the prompt")) == 1


def _asked(connection: Connection) -> list[str]:
    rows = connection.execute(select(turn.c.agent).order_by(turn.c.at)).scalars()
    return [one.partition("@")[0] for one in rows]


async def test_what_is_held_outlasts_its_worker(client: Client, tmp_path: Path) -> None:
    """Runs start and wait, gates stay decidable; lifted while no worker is there, the next one goes on with them."""
    script, origin = scripts.save(tmp_path / "script.yaml", *SCRIPT), sample(tmp_path / "sample")
    options: dict[str, Any] = {"task_queue": "baton-held", "check": QUICK}
    async with stack(client, tmp_path / "state", script, runs_stay=True, **options) as first:
        run = await first.deliver(origin)
        await first.gate(run, "plan")
        await _put(first, "all", "")
        late = await first.deliver(origin)
        assert "everything is paused by olga" in await _is_held(first, late)
        answered = await first.decide(await first.gate(run, "plan"))
        assert answered["won"] is True
        assert "`baton resume --all -m why`" in await _is_held(first, run)
    with contextlib.closing(Ledger(first.settings.database, first.settings.artifacts)) as ledger:
        ledger.tx_now(pauses.lift, "all", "", "bob", "it was the prompt", "cli")
    async with stack(client, tmp_path / "state", script, **options) as second:
        await second.gate(late, "plan")
        await second.approve(run, "change")
        assert (await run.result()).state == "done"


async def test_a_run_that_is_held_can_be_cancelled(start: Start, tmp_path: Path) -> None:
    """A pause keeps nobody from ending a run, which then waits for nothing."""
    async with start(*SCRIPT) as stack:
        await _put(stack, "project", "default")
        run = await stack.deliver(sample(tmp_path / "sample"))
        await _is_held(stack, run)
        await run.cancel(reason="by olga: not needed")
        with pytest.raises(WorkflowFailureError):
            await run.result()
        row = await stack.ledger.read(runs.find, run.id)
    assert (row.state, row.waiting_for, json.loads(row.result)["reason"]) == ("cancelled", "", "cancelled by olga: not needed")
