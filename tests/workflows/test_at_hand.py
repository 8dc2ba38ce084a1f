"""Short steps are taken inside the workflow task; what takes longer, or fails, is an activity as before."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from temporalio import activity, workflow
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from activities.running.outages import Outages
from activities.runs.admission import Admission
from activities.tools.base import Tool
from activities.turns.tool_calls import Tools
from contracts.base import Contract
from contracts.errors import LedgerUnavailable
from contracts.inputs import PipelineInput
from contracts.journal import BeginRun
from contracts.pins import Began
from contracts.runs import RunState
from contracts.turns import RunTool, ToolDone
from ledger.tables import run as run_table
from tests import scripts
from tests.replay.neutral import neutral
from tests.replay.test_saved import problem
from tests.scripts import answer, call, calls, summary
from tests.stack import PATIENCE, Stack, beside, stack
from tests.workflows.conftest import Ask
from workflows.kit import at_hand
from workflows.kit.at_hand import GENERATION, OURS
from workflows.kit.kit import Kit

DONE, LOOK = answer(summary("did it")), calls(call("run_state"))
OF_BEFORE, OF_NOW = f"{OURS}0.1.0", f"{OURS}0.1.0/{GENERATION}"


class HelloInput(PipelineInput, name="hello_input/1"):
    """What it is started with."""


class Hello(Contract):
    """What it reports."""

    state: RunState


@workflow.defn(name="Hello")
class Hellos:
    """A run that is admitted, waits until it is told to go on, and ends."""

    def __init__(self) -> None:
        self.kit = Kit(())
        self.told = False

    @workflow.run
    async def run(self, asked: HelloInput) -> str:
        """Its trace."""
        await self.kit.begin(asked, ())
        await workflow.wait_condition(lambda: self.told)
        await self.kit.finish("done", Hello(state="done").model_dump_json())
        return self.kit.ref.trace

    @workflow.signal
    def go(self) -> None:
        """Go on."""
        self.told = True


@asynccontextmanager
async def _serving(client: Client, folder: Path, build: str) -> AsyncIterator[tuple[Stack, WorkflowHandle[Any, Any]]]:
    folder.mkdir(exist_ok=True)
    script = scripts.save(folder / "script.yaml")
    async with (
        stack(client, folder / "state", script) as running,
        beside(running, "hello", Hellos, sandboxed=False, interceptors=[Outages()], build_id=build) as queue,
    ):
        asked = HelloInput(owner="olga")
        yield running, await client.start_workflow("Hello", asked, id=queue, task_queue=queue, result_type=str)


async def _events(run: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
    return list((await run.fetch_history()).events)


def _activities(events: list[HistoryEvent]) -> list[str]:
    sent = [one.activity_task_scheduled_event_attributes.activity_type.name for one in events]
    return [name for name in sent if name]


def _markers(events: list[HistoryEvent]) -> list[str]:
    """What each local activity is called in Temporal's Web UI."""
    found = [one.user_metadata.summary for one in events if one.HasField("marker_recorded_event_attributes")]
    return [PayloadConverter.default.from_payload(one, str) for one in found]


async def _saved(run: WorkflowHandle[Any, Any]) -> str:
    history = neutral(json.loads((await run.fetch_history()).to_json()))
    return json.dumps({"workflow_id": run.id, "history": history})


async def _ended(run: WorkflowHandle[Any, Any]) -> str:
    await run.signal("go")
    return str(await run.result())


async def test_admission_costs_one_event(client: Client, tmp_path: Path) -> None:
    """No activity is scheduled, and Temporal's Web UI still says what was done. The row is there, once."""
    async with _serving(client, tmp_path, OF_NOW) as (running, run):
        trace = await _ended(run)
        events = await _events(run)
        assert await running.ledger.read(_rows, trace) == 1
    assert _activities(events) == []
    assert _markers(events) == ["hello: admit the run", "journal: finish"]


async def test_both_sides_replay(client: Client, tmp_path: Path) -> None:
    """A run that a worker of before admitted has an activity, and goes on here; any other needs the newer release."""
    saved = {}
    for build in (OF_BEFORE, OF_NOW):
        async with _serving(client, tmp_path / str(len(build)), build) as (_, run):
            await _ended(run)
            saved[build] = await _saved(run)
            assert _activities(await _events(run)) == (["begin_run"] if build == OF_BEFORE else [])
        assert await problem(saved[build], Hellos, sandboxed=False) is None
    # The check can fail: what decides is the release in the history, not the one that replays it.
    for build, other in ((OF_BEFORE, OF_NOW), (OF_NOW, OF_BEFORE)):
        changed = saved[build].replace(f'"buildId": "{build}"', f'"buildId": "{other}"')
        assert changed != saved[build]
        assert "TMPRL1100" in str(await problem(changed, Hellos, sandboxed=False))


Before = Callable[[int], Awaitable[None]]


def _first(monkeypatch: pytest.MonkeyPatch, before: Before) -> list[int]:
    """`before` is awaited ahead of each attempt to admit a run, with its number. Returns the numbers, as they come."""
    tries: list[int] = []
    pins = Admission.pins

    async def begins(admission: Admission, request: BeginRun) -> Began:
        tries.append(len(tries) + 1)
        await before(tries[-1])
        return await pins(admission, request)

    monkeypatch.setattr(Admission, "pins", begins)
    return tries


async def test_an_outage_is_waited_out_by_an_activity(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger is away at that moment the run waits as before, for people to see, and is admitted when it is back."""

    async def away(number: int) -> None:
        if number < 4:
            raise LedgerUnavailable("the database is locked")

    tries = _first(monkeypatch, away)
    async with _serving(client, tmp_path, OF_NOW) as (running, run):
        trace = await _ended(run)
        events = await _events(run)
        assert await running.ledger.read(_rows, trace) == 1
    assert tries == [1, 2, 3, 4]
    assert _activities(events) == ["begin_run"]
    assert _timers(events) == 0


async def test_a_slow_ledger_does_not_hold_the_task(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that takes too long is left alone: an activity admits the run, once, whatever becomes of the first attempt."""
    go, ended = asyncio.Event(), asyncio.Event()

    async def slow(number: int) -> None:
        if number == 1:
            try:
                await go.wait()
            finally:
                ended.set()

    monkeypatch.setitem(at_hand.AT_HAND, "start_to_close_timeout", timedelta(milliseconds=200))
    _first(monkeypatch, slow)
    async with _serving(client, tmp_path, OF_NOW) as (running, run):
        trace = await _ended(run)
        go.set()
        await asyncio.wait_for(ended.wait(), PATIENCE)
        events = await _events(run)
        assert await running.ledger.read(_rows, trace) == 1
    assert _activities(events) == ["begin_run"]


async def test_a_refusal_is_final_at_once(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no further attempt would change is not tried again by an activity."""

    async def refuse(number: int) -> None:
        raise ApplicationError(f"nobody owns it: attempt {number}", type="NoOwner", non_retryable=True)

    tries = _first(monkeypatch, refuse)
    async with _serving(client, tmp_path, OF_NOW) as (_, run):
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
        events = await _events(run)
    assert isinstance(failed.value.cause, ActivityError)
    assert str(failed.value.cause.cause) == "NoOwner: nobody owns it: attempt 1"
    assert (tries, _activities(events)) == ([1], [])


async def test_a_cancellation_ends_it(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cancelled while an attempt hangs ends as cancelled; the attempt holds it no longer than its own limit."""
    hangs = asyncio.Event()

    async def hang(number: int) -> None:
        hangs.set()
        await asyncio.Event().wait()

    _first(monkeypatch, hang)
    async with _serving(client, tmp_path, OF_NOW) as (_, run):
        await asyncio.wait_for(hangs.wait(), PATIENCE)
        await run.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
    assert isinstance(failed.value.cause, CancelledError)


async def test_what_reads_one_thing_costs_no_activity(asking: Ask) -> None:
    """Its call is taken inside the workflow task, and is on the record like any other."""
    async with asking(calls(call("run_state"), call("list_handoffs")), LOOK, DONE) as made:
        run = await made.start()
        ended = await made.ended(run)
        said = await made.stack.said(run)
    assert (ended.handoff.outcome, ended.activities("run_tool"), ended.local("run_tool")) == ("done", [], 3)
    assert "run_state ran" in said


async def test_what_takes_longer_is_an_activity_from_then_on(asking: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that hangs holds its workflow for a moment only; the step's next one of that tool is not tried there again."""
    tries, look = [], Tools._look

    async def hangs(tools: Tools, tool: Tool, request: RunTool, arguments: bytes) -> ToolDone:
        tries.append(activity.info().is_local)
        if tries == [True]:
            await asyncio.Event().wait()
        return await look(tools, tool, request, arguments)

    monkeypatch.setitem(at_hand.AT_HAND, "start_to_close_timeout", timedelta(milliseconds=200))
    monkeypatch.setattr(Tools, "_look", hangs)
    async with asking(LOOK, LOOK, calls(call("list_handoffs")), DONE) as made:
        ended = await made.ended(await made.start())
    assert (ended.handoff.outcome, tries) == ("done", [True, False, False, True])
    assert ended.activities("run_tool") == ["+", "-", "+", "-"]


def _rows(connection: Connection, trace: str) -> int:
    return int(connection.scalar(select(func.count()).where(run_table.c.trace == trace)) or 0)


def _timers(events: list[HistoryEvent]) -> int:
    return sum(one.HasField("timer_started_event_attributes") for one in events)
