"""Runs that are cancelled in the middle: while children work, and while a call fails for another reason."""

import asyncio
import os
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from activities.gates.policy import Policy
from activities.gates.standing import Standing
from activities.providers.base import ProviderError
from contracts.conversation import ModelReply, ModelRequest
from ledger import gates, runs
from ledger.tables import reservation
from ledger.views.gates import decisions_of
from tests.scripts import answer, call, calls, item, plan, read, says, summary, unsure, write
from tests.stack import PATIENCE, Stack, git, sample, until
from tests.workflows.conftest import Ask, Start

MARK = f"baton-test-{secrets.token_hex(8)}"
CHECK = f"python -c 'import os, time; time.sleep(10_000 * os.path.getsize(\"two.py\"))  # {MARK}'"
"""A command that never ends by itself on a change, only on the base, and that no other test process can have started."""

FILES = {"one.py": "", "two.py": "", "three.py": ""}
PLAN = plan(item("one", ["one.py"]), item("two", ["two.py"]), item("three", ["three.py"]))
WHICH = {"id": "which", "text": "Which one?"}
SCRIPT = (
    says("planner", read("one.py"), answer(PLAN)),
    says("writer", answer(summary()) | {"delay_ms": 600_000}, text="Your item is `one`"),
    says("writer", write("two.py", "x"), calls(call("run_checks")), answer(summary()), text="Your item is `two`"),
    says("writer", unsure("both fit", WHICH), answer(summary()), text="Your item is `three`"),
)


def commands() -> list[int]:
    """Processes that run the command, ours and the sandbox's."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
            if MARK.encode() in line:
                found.append(int(folder.name))
    return found


def held(connection: Connection) -> int:
    """Reservations that still hold money."""
    return int(connection.execute(select(func.count()).where(reservation.c.state == "held")).scalar_one())


async def all_three_work(stack: Stack) -> bool | None:
    """True once the command runs, the model is asked, and a person is."""
    asked = await stack.ledger.read(gates.open_gates)
    return True if commands() and await stack.ledger.read(held) and any(one.kind == "clarify" for one in asked) else None


async def test_children_leave_nothing_behind(start: Start, tmp_path: Path) -> None:
    """Cancelled twice: every child ends, no process, workspace, held money or open gate is left, and nothing was pushed."""
    origin = sample(tmp_path / "sample", FILES)
    assert commands() == []
    async with start(*SCRIPT) as stack:
        run = await stack.deliver(origin, check=CHECK)
        await stack.approve(run, "plan")
        await until(lambda: all_three_work(stack), "all three writers work")
        await run.cancel()
        await run.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await asyncio.wait_for(run.result(), PATIENCE)
        row = await stack.ledger.read(runs.find, run.id)
        left = (await stack.ledger.read(held), await stack.ledger.read(gates.open_gates))
        await until(lambda: _all_cancelled(stack, run.id), "all three children are listed as cancelled")
        await until(_no_command, "the commands ended")
        await until(lambda: _no_workspace(tmp_path), "the workspaces were removed")
    assert isinstance(ended.value.cause, CancelledError)
    assert (row.state, left) == ("cancelled", (0, []))
    assert git(origin, "branch", "--list").split() == ["*", "main"]


@dataclass
class FailsLate:
    """A provider that is asked once, is told when to fail, and then fails for good."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "scripted"

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Nothing but the failure."""
        self.asked.set()
        await self.told.wait()
        raise ProviderError("bad_request", "it was asked wrongly")

    async def close(self) -> None:
        """There is nothing to give back."""


async def test_a_call_that_fails_on_its_own_hides_no_cancellation(asking: Ask) -> None:
    """The run is cancelled while a call fails for another reason: it ends as cancelled, and asks nobody what to do."""
    async with asking(answer(summary())) as made:
        model = FailsLate()
        made.stack.parts.providers["scripted"] = model
        run = await made.start()
        await asyncio.wait_for(model.asked.wait(), PATIENCE)
        await run.cancel()
        await until(lambda: _activity_cancel_requested(run), "the run has heard of it")
        model.told.set()
        with pytest.raises(WorkflowFailureError) as ended:
            await asyncio.wait_for(run.result(), PATIENCE)
        left = (await made.stack.ledger.read(held), await made.stack.ledger.read(gates.open_gates))
    assert isinstance(ended.value.cause, CancelledError)
    assert left == (0, [])


async def _activity_cancel_requested(run: WorkflowHandle[Any, Any]) -> bool | None:
    """The workflow has taken the cancellation and passes it on."""
    kinds = [event.event_type async for event in run.fetch_history_events()]
    return True if EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED in kinds else None


async def _all_cancelled(stack: Stack, parent: str) -> bool | None:
    """The list is made after the fact, so it may lag."""
    children = [one.status async for one in stack.client.list_workflows(f"WorkflowId STARTS_WITH '{parent}.'")]
    return True if children == [WorkflowExecutionStatus.CANCELED] * 3 else None


async def _no_command() -> bool | None:
    return None if commands() else True


async def _no_workspace(folder: Path) -> bool | None:
    return None if list((folder / "state" / "workspaces" / "files").glob("*/*")) else True


async def test_a_decision_that_counts_is_not_refused_by_a_cancellation(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while the decision is being checked: it is on record as won, so its sender is told that it won."""
    checks, go = threading.Event(), threading.Event()
    shipped = Standing.now

    def slowly(policy: Standing, connection: Connection) -> Policy:
        checks.set()
        assert go.wait(PATIENCE)
        return shipped(policy, connection)

    async with start(says("planner", answer(PLAN))) as stack:
        run = await stack.deliver(sample(tmp_path / "sample", FILES))
        view = await stack.gate(run, "plan")
        monkeypatch.setattr(Standing, "now", slowly)
        decision = {"gate": view.gate, "by": "maria", "subject": view.subject, "note": "go"}
        answered = asyncio.create_task(run.execute_update("approve", decision))
        try:
            assert await asyncio.to_thread(checks.wait, PATIENCE)
            await run.cancel()
            await until(lambda: _activity_cancel_requested(run), "the run has heard of it")
        finally:
            go.set()
        await asyncio.wait({answered}, timeout=PATIENCE)
        with pytest.raises(WorkflowFailureError) as ended:
            await asyncio.wait_for(run.result(), PATIENCE)
        decided = await stack.ledger.read(decisions_of, view.trace)
        row = await stack.ledger.read(runs.find, run.id)
    assert answered.exception() is None
    told = answered.result()
    assert (told["won"], told["verb"], told["by"]) == (True, "approve", "maria")
    assert [(one.verb, one.by, one.outcome) for one in decided] == [("approve", "maria", "won")]
    assert isinstance(ended.value.cause, CancelledError)
    assert row.state == "cancelled"
