"""Agent steps at the same time, on a real server: they overlap, fail and are cancelled apart, and travel on together."""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker

from activities.running.tracing import Tracing
from activities.turns import tool_calls
from contracts.handoff import Handoff
from ledger import gates
from ledger.tables import reservation, turn
from tests import scripts
from tests.activities import agentfiles
from tests.scripts import Turn, answer, call, calls, says, summary, unsure
from tests.stack import Stack, stack, until
from tests.workflows.asking import NO_REPOSITORY
from tests.workflows.pairs import AskTwice
from tests.workflows.test_continue import runs_of, short_lived
from workflow_runner import workflow_runner
from workflows.guard import Guard

__all__ = ["short_lived"]  # a fixture

Run = WorkflowHandle[Any, dict[str, Handoff[Any]]]
LOOK = calls(call("run_state"))
AFTER = says("helper", answer(summary("after")), text="the after one")


def side(name: str, *turns: Turn) -> dict[str, Any]:
    """What the agent says in one of the two steps."""
    return says("helper", *turns, text=f"the {name} one")


def done(name: str) -> Turn:
    """Its last word there."""
    return answer(summary(f"{name} is done"))


@dataclass(frozen=True)
class Pairs:
    """A worker whose only workflow is two agent steps at once."""

    stack: Stack
    queue: str

    async def start(self) -> Run:
        """Begin both."""
        asked = {"repository": NO_REPOSITORY, "instruction": "Fix it", "owner": "olga"}
        name = f"pair-{secrets.token_hex(4)}"
        kind = dict[str, Handoff[Any]]
        return await self.stack.client.start_workflow("AskTwice", asked, id=name, task_queue=self.queue, result_type=kind)


Serve = Callable[..., AbstractAsyncContextManager[Pairs]]


@contextlib.asynccontextmanager
async def served(client: Client, folder: Path, *conversations: dict[str, Any]) -> AsyncIterator[Pairs]:
    """A worker there, whose model says this."""
    agents = folder / "agents"
    agentfiles.write(agents, "Do {{ task.instruction }}.", tools=["run_state"], limits={"turns": 60})
    (agents / "routes.toml").write_text(agentfiles.ROUTES)
    script = scripts.save(folder / "script.yaml", *conversations, AFTER)
    async with stack(client, folder / "state", script, agents=agents) as running:
        queue = f"{running.settings.task_queue}-pairs"
        async with Worker(
            client,
            task_queue=queue,
            workflows=[AskTwice],
            activities=running.parts.activities,
            interceptors=[Guard(), Tracing()],
            workflow_runner=workflow_runner(sandboxed=True),
        ):
            yield Pairs(running, queue)


def said(handoffs: dict[str, Handoff[Any]]) -> dict[str, str]:
    """What each step made, or why it did not."""
    return {name: one.body["summary"] if one.outcome == "done" else one.reason for name, one in handoffs.items()}


async def test_steps_overlap(client: Client, tmp_path: Path) -> None:
    """Both models are asked before either has answered, and nothing else begins before both have ended."""
    async with served(client, tmp_path, side("left", done("left")), side("right", done("right"))) as pairs:
        run = await pairs.start()
        made = await run.result()
        history = await run.fetch_history()
    calls_of: dict[int, str] = {}
    order = []
    for event in history.events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == "call_model":
            calls_of[event.event_id] = "asked"
            order.append("asked")
        if event.activity_task_completed_event_attributes.scheduled_event_id in calls_of:
            order.append("answered")
    assert order == ["asked", "asked", "answered", "answered", "asked", "answered"]
    assert said(made) == {"left": "left is done", "right": "right is done", "after": "after"}


async def test_one_that_fails_leaves_the_other(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool's activity that fails for good makes its step `could_not` with the reason; the other runs to its end."""
    real = tool_calls.Tools.run_tool

    async def failing(self: tool_calls.Tools, request: Any) -> Any:
        if request.run.path == "left":
            raise ApplicationError("the disk is gone", type="Broken", non_retryable=True)
        return await real(self, request)

    failing.__dict__.update(real.__dict__)
    monkeypatch.setattr(tool_calls.Tools, "run_tool", failing)
    sides = side("left", LOOK, done("left")), side("right", LOOK, LOOK, done("right"))
    async with served(client, tmp_path, *sides) as pairs:
        run = await pairs.start()
        try:
            made = await run.result()
        except WorkflowFailureError as error:
            raise AssertionError("the step that failed has ended the whole run") from error
    assert (made["left"].outcome, made["left"].body) == ("could_not", None)
    assert "the disk is gone" in made["left"].reason
    assert (said(made)["right"], said(made)["after"]) == ("right is done", "after")


async def test_each_answer_reaches_its_own_agent(client: Client, tmp_path: Path) -> None:
    """Two clarify gates are open at once; whichever is answered first, each agent reads its own answer."""
    sides = [
        side(name, unsure(f"{name}?", {"id": "which", "text": f"Which {name}?"}), done(name)) for name in ("left", "right")
    ]
    async with served(client, tmp_path, *sides) as pairs:
        run = await pairs.start()

        async def both() -> dict[str, Any] | None:
            views = await pairs.stack.ledger.read(gates.open_gates)
            return {one.narrative: one for one in views} if len(views) == 2 else None

        open_now = await until(both, "both gates are open")
        for name in ("right?", "left?"):
            await pairs.stack.decide(open_now[name], "answer", answers={"which": f"the answer for {name}"})
        made = await run.result()
        asked = answers(await run.fetch_history())
    assert said(made) == {"left": "left is done", "right": "right is done", "after": "after"}
    assert asked == {"left": ["the answer for left?"], "right": ["the answer for right?"], "after": []}


async def test_cancelling_ends_both(client: Client, tmp_path: Path) -> None:
    """Both calls end, and the run with them; no money is held for either."""
    slow = [side(name, done(name) | {"delay_ms": 600_000}) for name in ("left", "right")]
    async with served(client, tmp_path, *slow) as pairs:
        run = await pairs.start()

        async def both() -> bool | None:
            return True if await pairs.stack.ledger.read(held) == 2 else None

        await until(both, "both models are asked")
        await run.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await run.result()
        assert isinstance(ended.value.cause, CancelledError)
        assert await pairs.stack.ledger.read(held) == 0
        assert (await run.describe()).raw_description.pending_activities == []


async def test_both_travel_along(short_lived: Client, tmp_path: Path) -> None:
    """Two long steps and one more: the run goes on in a new one, and no turn of either is asked or paid again."""
    sides = [side(name, *[LOOK] * 12, done(name)) for name in ("left", "right")]
    async with served(short_lived, tmp_path, *sides) as pairs:
        run = await pairs.start()
        made = await run.result()
        chain = await runs_of(run)
        turns = await pairs.stack.ledger.read(lambda connection: connection.scalar(select(func.count()).select_from(turn)))
    assert said(made) == {"left": "left is done", "right": "right is done", "after": "after"}
    assert len(chain) > 1
    assert turns == 13 + 13 + 1


def held(connection: Connection) -> int:
    """Reservations that still hold money."""
    return int(connection.execute(select(func.count()).where(reservation.c.state == "held")).scalar_one())


def answers(history: WorkflowHistory) -> dict[str, list[str]]:
    """What people answered, by the step whose model was asked with it."""
    found: dict[str, list[str]] = {}
    for event in history.events:
        sent = event.activity_task_scheduled_event_attributes
        if sent.activity_type.name == "call_model":
            request = json.loads(sent.input.payloads[0].data)
            found.setdefault(request["run"]["path"], []).extend(one["answer"] for one in request.get("answers", ()))
    return found
