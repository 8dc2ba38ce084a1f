"""What waits for a person gives its slot to the next: the others end meanwhile, within a bound, and none is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from contracts.gates import GateView
from ledger import gates
from tests.activities.support.places import customers, ticket
from tests.children import PATIENCE
from tests.depth import SOAK, count, deep
from tests.replay.test_saved import replayer
from tests.scripts import answer, summary, unsure
from tests.stack import Stack, result_of, until
from tests.workflows.spreading import Leaf, Spreading
from tests.workflows.test_spread import is_there, leaf, spreading
from tests.workflows.test_spread import started as spread
from tests.workflows.test_support import answering, started
from workflows import support
from workflows.kit import slots
from workflows.kit.spread import Spread
from workflows.support import Support
from workflows.support_case import SupportCase

WAITING, AT_ONCE, PAGE = count(5, soak=55), count(2, soak=5), count(2, soak=50)
"""How many tickets a person has to answer, how many are trivial, and how many are dealt with at a time."""

AIM = 10 * 1024
"""Most bytes of the parent's history for a ticket."""


def tickets(waiting: int, at_once: int, **last: Any) -> list[str]:
    """First those that no template answers, then those that end by themselves; `last` is more of the last one."""
    people = [address for address, _, _ in customers(waiting + at_once)]
    stuck = [ticket(f"W-{number}", one, "The app crashes.") for number, one in enumerate(people[:waiting], 1)]
    easy = [ticket(f"E-{number}", one, "Thank you!") for number, one in enumerate(people[waiting:-1], 1)]
    return [*stuck, *easy, ticket(f"E-{at_once}", people[-1], "Thank you!", **last)]


@contextlib.asynccontextmanager
async def begun(
    client: Client, folder: Path, patch: pytest.MonkeyPatch, *lines: str, page: int = PAGE
) -> AsyncIterator[tuple[Stack, Any]]:
    """A run with these tickets, so many of which are dealt with at a time."""
    patch.setattr(support, "TOGETHER", page)
    async with answering(client, folder, workflow_sandbox=False) as (running, shop, _):
        shop.known(len(lines))
        shop.file(*lines)
        yield running, await started(running, f"slots-{folder.name}"[:60])


async def open_gates(running: Stack, run: Any, number: int) -> list[GateView]:
    """The run's open gates, once there are so many."""

    async def there() -> list[GateView] | None:
        found = [view for view in await running.ledger.read(gates.open_gates) if view.workflow_id.startswith(run.id)]
        return found if len(found) >= number else None

    return await until(there, f"{number} gates are open")


async def has_ended(running: Stack, run: Any, name: str) -> None:
    """Wait until the feed says that the ticket has ended by itself."""

    async def told() -> bool | None:
        return f"{name}: no_reply" in await running.said(run) or None

    await until(told, f"{name} has ended")


async def test_the_others_end_while_some_wait_for_people(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tickets wait than are dealt with at a time. Those after them end; one that follows a waiting one waits for it, also
    from another page; then all are answered, the report has every one, and the parent's history is small and replays."""
    lines = tickets(WAITING, AT_ONCE + 1, follows="W-1")
    async with begun(client, tmp_path, monkeypatch, *lines) as (running, run):
        open_now = await open_gates(running, run, WAITING)
        for number in range(1, AT_ONCE + 1):
            await has_ended(running, run, f"E-{number}")
        assert len(await open_gates(running, run, WAITING)) == WAITING
        assert f"E-{AT_ONCE + 1}: " not in await running.said(run)
        for view in open_now:
            await running.decide(view, "approve", note="I call them")
        report = await result_of(run)
        assert (report.state, report.reason, report.tickets) == ("done", "", len(lines))
        assert report.endings == {"by_person": WAITING, "no_reply": AT_ONCE + 1}
        history = await run.fetch_history()
        await replayer(Support, SupportCase).replay_workflow(history)
    # A run has its own activities and its report once, and a list of each page: with few tickets they would be most of it.
    of_children = [one for one in history.events[1:-1] if "ACTIVITY" not in EventType.Name(one.event_type)]
    size = sum(event.ByteSize() for event in (history.events if SOAK else of_children))
    assert size < AIM * len(lines), (size / len(lines), len(history.events) / len(lines))


@deep(
    "tests/workflows/test_spread.py::test_a_cancellation_reaches_every_child",
    "tests/workflows/test_cancel.py::test_children_leave_nothing_behind",
)
async def test_a_cancellation_reaches_those_that_wait(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every child of every page ends as cancelled, and its gate is closed; the run ends after them."""
    async with begun(client, tmp_path, monkeypatch, *tickets(WAITING, 1)) as (running, run):
        open_now = await open_gates(running, run, WAITING)
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(run.result(), PATIENCE)
        children = [client.get_workflow_handle(view.workflow_id) for view in open_now]
        assert {await is_there(child) for child in children} == {WorkflowExecutionStatus.CANCELED}
        left = await running.ledger.read(gates.open_gates)
        assert not [view for view in left if view.workflow_id.startswith(run.id)]


async def test_only_so_many_wait(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many waiting as may, no further one begins; it does as soon as one of them is answered."""
    monkeypatch.setattr(slots, "WAITING_LIMIT", 2)
    async with begun(client, tmp_path, monkeypatch, *tickets(2, 1), page=1) as (running, run):
        open_now = await open_gates(running, run, 2)
        await until(lambda: heard(run, 2), "the run has heard of both gates")
        await run.query("feed")  # answered once it has done whatever it does about them
        assert await pages(run) == 2
        await running.decide(open_now[0], "approve")
        await has_ended(running, run, "E-1")
        await running.decide(open_now[1], "approve")
        assert (await result_of(run)).endings == {"by_person": 2, "no_reply": 1}


async def heard(run: Any, number: int) -> bool | None:
    """True once so many signals have reached it."""
    events = (await run.fetch_history()).events
    return sum(one.HasField("workflow_execution_signaled_event_attributes") for one in events) >= number or None


async def pages(run: Any) -> int:
    """How many pages of tickets it has asked for."""
    events = (await run.fetch_history()).events
    return sum(one.activity_task_scheduled_event_attributes.activity_type.name == "list_tickets" for one in events)


async def test_a_layer_hears_of_its_own_children(client: Client, tmp_path: Path) -> None:
    """Below a layer with one slot, a child that asks a person lets the next one begin; a group itself keeps its slot."""
    turns = (unsure("which?", {"id": "which", "text": "Which one?"}), answer(summary("it")))
    async with spreading(client, tmp_path, *turns) as running:
        does = {"n0": "ask", "n1": "done", "n2": "done", "n3": "done"}
        run = await spread(running, does, layer=2, limit=2)
        view = await running.gate(run, "clarify")
        await until(lambda: _completed(leaf(running, run, 1, "n1")), "the child beside it has ended")
        await running.decide(view, "answer", answers={one.id: "two" for one in view.questions})
        assert set((await result_of(run)).values()) == {"done"}
        group = running.client.get_workflow_handle(f"{run.id}.leaf.g01")
        for handle in (run, group, leaf(running, run, 1, "n0")):
            await replayer(Spreading, Spread, Leaf).replay_workflow(await handle.fetch_history())


async def _completed(child: Any) -> bool | None:
    return await is_there(child) == WorkflowExecutionStatus.COMPLETED or None
