"""What an operator sees of a run without our console: Temporal's lists, search attributes, queries, details and summaries."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.converter import default

from contracts.delivery.run import DeliveryReport
from contracts.gates import GateView
from contracts.reports import RunStatus
from search_attributes import COST_USD, GATE, GATE_DEADLINE, NEEDS_HUMAN, OUTCOME, OWNER, PROJECT, STAGE, STATE
from tests import scripts
from tests.scripts import a_tester, answer, edit, item, plan, read, says, unsure, writer
from tests.stack import Stack, sample, stack, until
from tests.workflows.conftest import Start

FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
PLANNER = says("planner", read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"]))))
WHICH = {"id": "which", "text": "Up or down?"}
KEYS = (PROJECT, OWNER, STAGE, STATE, GATE, NEEDS_HUMAN, OUTCOME)


@dataclass(frozen=True)
class Seen:
    """A run as it shows itself at one moment."""

    attributes: tuple[Any, ...]
    deadline: datetime | None
    cost: float | None
    status: RunStatus
    feed: list[dict[str, Any]]
    details: str
    gate: GateView | None = None


@dataclass(frozen=True)
class Story:
    """One delivery, looked at while it waits at its two gates and after its end."""

    plan: Seen
    change: Seen
    end: Seen
    needing: list[set[str]]
    """Which of its workflows the list of what needs a person names, at those moments."""
    run: str
    report: DeliveryReport
    summaries: list[str]


async def look(run: WorkflowHandle[Any, Any], gate: GateView | None = None) -> Seen:
    """Everything that can be asked of a run."""
    found = (await run.describe()).typed_search_attributes
    metadata = await run.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return Seen(
        attributes=tuple(found.get(key) for key in KEYS),
        deadline=found.get(GATE_DEADLINE),
        cost=found.get(COST_USD),
        status=RunStatus.model_validate(await run.query("status")),
        feed=await run.query("feed"),
        details=metadata.current_details,
        gate=gate,
    )


async def look_at_gate(running: Stack, run: WorkflowHandle[Any, Any], name: str) -> Seen:
    """The run as soon as it shows its gate; the ledger knows of it a moment earlier."""
    view = await running.gate(run, name)

    async def shown() -> bool | None:
        attributes = (await run.describe()).typed_search_attributes
        return True if attributes.get(GATE) == f"{view.gate}:waiting" else None

    await until(shown, f"{run.id} shows {view.gate}")
    return await look(run, view)


async def needing_a_person(running: Stack, run: str, wanted: int) -> set[str]:
    """What `NeedsHuman=true` lists of this run's family, as soon as it is that many."""
    query = f"NeedsHuman = true AND Project = 'shop' AND WorkflowId STARTS_WITH '{run}'"

    async def listed() -> set[str] | None:
        found = {one.id async for one in running.client.list_workflows(query)}
        return found if len(found) == wanted else None

    return await until(listed, f"{wanted} workflows of {run} need a person")


@pytest.fixture(scope="module")
async def story(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """A delivery that is approved."""
    folder = tmp_path_factory.mktemp("visible")
    script = scripts.save(folder / "script.yaml", PLANNER, writer("fix", FIX), a_tester())
    async with stack(client, folder / "state", script) as running:
        run = await running.deliver(sample(folder / "sample"), project="shop")
        at_plan = await look_at_gate(running, run, "plan-1")
        needing = [await needing_a_person(running, run.id, 1)]
        await running.approve(run, "plan-1")
        at_change = await look_at_gate(running, run, "change-1")
        await running.approve(run, "change-1")
        report = await run.result()
        needing.append(await needing_a_person(running, run.id, 0))
        yield Story(at_plan, at_change, await look(run), needing, run.id, report, await summaries(run))


async def summaries(run: WorkflowHandle[Any, Any]) -> list[str]:
    """What the history says about each activity, timer and child."""
    convert = default().payload_converter.from_payload
    history = await run.fetch_history()
    return [convert(event.user_metadata.summary, str) for event in history.events if event.user_metadata.HasField("summary")]


def test_an_open_gate_is_in_the_search_attributes(story: Story) -> None:
    """While it waits a run shows whose it is, its stage, its gate with the deadline, and that it needs a person."""
    assert story.plan.attributes == ("shop", "olga", "plan", "waiting", "plan-1:waiting", True, None)
    assert story.change.attributes == ("shop", "olga", "change", "waiting", "change-1:waiting", True, None)
    for seen in (story.plan, story.change):
        assert seen.gate is not None
        assert seen.deadline is not None
        assert abs((seen.deadline - seen.gate.deadline).total_seconds()) < 0.01
        assert seen.deadline > datetime.now(UTC)


def test_an_ended_run_needs_nobody(story: Story) -> None:
    """At the end the outcome and the cost are there, and no gate and no deadline is left over."""
    assert story.end.attributes == ("shop", "olga", "end", "done", "change-1:approve", False, "done")
    assert (story.end.deadline, story.end.cost) == (None, 0.0)


def test_what_needs_a_person_can_be_listed(story: Story) -> None:
    """`NeedsHuman=true` lists a run while it waits, and not any more afterwards."""
    assert story.needing == [{story.run}, set()]


def test_the_status_says_where_the_run_is(story: Story) -> None:
    """State, stage, the open gate with what is asked, the last step and the next one, answered by a query."""
    for seen, stage in ((story.plan, "plan"), (story.change, "change")):
        assert (seen.status.run, seen.status.state, seen.status.stage) == (story.run, "waiting", stage)
        assert seen.status.waiting_for == seen.gate
        assert seen.status.next.startswith(f"approve or reject or request_changes at {stage}-1; without an answer it")
        assert seen.status.scripted
    assert story.plan.status.did == "ran the check on the base: 4 tests ran, 1 failed"
    assert story.change.status.did == "tests: passed"
    assert (story.end.status.state, story.end.status.waiting_for, story.end.status.did) == ("done", None, "ended: done")


def test_the_feed_can_be_asked_for(story: Story) -> None:
    """The query answers the coordinator's own lines in their order, each with did, why and next, and each key once."""
    assert story.plan.feed[0]["did"].startswith("fetched ")
    assert [line["did"] for line in story.end.feed][-2:] == ["tests: passed", "ended: done"]
    assert all(line["why"] and line["next"] for line in story.end.feed)
    assert len({line["key"] for line in story.end.feed}) == len(story.end.feed)


def test_the_details_say_what_is_asked_and_how_to_answer(story: Story) -> None:
    """Temporal's own page shows the question, the facts, and the update to send; afterwards it shows how it ended."""
    for seen in (story.plan, story.change):
        assert seen.gate is not None
        assert seen.details.startswith(f"## {seen.gate.kind}: waits for a person at {seen.gate.gate}: {seen.gate.title}")
        assert f'"gate": "{seen.gate.gate}", "by": "you", "subject": "{seen.gate.subject}"' in seen.details
        assert all(fact in seen.details for fact in seen.gate.facts)
        assert "send the update `approve` or `reject` or `request_changes` with" in seen.details
        assert 'and for `reject` and `request_changes` with `"note": "why"` in it' in seen.details
        assert "scripted model: no real model is used" in seen.details
    assert story.end.details.startswith("## end: ended: done")


def test_every_activity_timer_and_child_says_what_it_is_for(story: Story) -> None:
    """The history reads as a story: role, verb and object of each step."""
    assert story.report.state == "done"
    wanted = [
        "delivery: admit the run",
        "git: fetch the repository",
        "planner@v1 (scripted): turn 1",
        "planner@v1 (scripted): read_file",
        "planner@v1 (scripted): turn 2",
        "gate: open plan-1",
        "gate: check approve by maria",
        "writer: change fix",
        "git: integrate the items",
        "tester@v1 (scripted): turn 1",
        "checks: run on the change",
        "gate: open change-1",
        "workspace: remove",
        "journal: finish",
    ]
    told = iter(story.summaries)
    assert [one for one in wanted if one not in told] == []
    assert any(one.startswith("plan-1: without an answer it ") for one in story.summaries)
    assert any(one.startswith("action: git.push push ") for one in story.summaries)


async def test_a_childs_gate_is_found_and_closed_with_the_run(start: Start, tmp_path: Path) -> None:
    """A child's question shows there and on its run, with project and owner; cancelled, nothing seems to need a person."""
    asking = says("writer", unsure("both are possible", WHICH))
    async with start(PLANNER, asking) as running:
        run = await running.deliver(sample(tmp_path / "sample"), project="shop")
        await running.approve(run, "plan-1")
        view = await running.gate(run, "clarify")
        child = running.client.get_workflow_handle(view.workflow_id)
        needing = await needing_a_person(running, run.id, 2)
        open_now = (await child.describe()).typed_search_attributes
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await run.result()
        closed = (await child.describe()).typed_search_attributes
        ended = (await run.describe()).typed_search_attributes
        await needing_a_person(running, run.id, 0)
    assert needing == {view.workflow_id, run.id}
    assert tuple(open_now.get(key) for key in KEYS[:2]) == ("shop", "olga")
    assert (open_now.get(GATE), open_now.get(NEEDS_HUMAN)) == (f"{view.gate}:waiting", True)
    assert (closed.get(GATE), closed.get(NEEDS_HUMAN), closed.get(STATE)) == (f"{view.gate}:cancelled", False, "cancelled")
    assert closed.get(GATE_DEADLINE) is None
    assert (ended.get(STATE), ended.get(OUTCOME), ended.get(NEEDS_HUMAN)) == ("cancelled", "cancelled", False)
