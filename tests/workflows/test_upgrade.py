"""A worker is upgraded while runs are open: what they pinned, stored and were told before goes on counting."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from temporalio.client import Client, WorkflowHandle

from activities.agents.catalogue import load_catalogue
from activities.tools.registry import TOOLS
from activities.turns.prompt import task_text
from contracts.delivery.plan import Plan
from contracts.delivery.testing import TestTask
from ledger import handoffs
from ledger.tables import handoff as handoffs_table
from tests import scripts
from tests.scripts import a_tester, answer, edit, item, plan, says, writer
from tests.stack import Stack, beside, sample, stack, until
from tests.workflows.conftest import Start
from tests.workflows.planning import PlansAsBefore, PlansAsNow

AGENTS = Path(__file__).parents[2] / "agents"
FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
OLD_ITEM = item("fix", ["shop/pricing.py"], acceptance=["half a cent rounds up"])
OLD_PLAN = says("planner", answer(plan(OLD_ITEM, summary="as before")), occurrence=1)
OLD_AGAIN = says("planner", answer(plan(OLD_ITEM, summary="as before, smaller")), occurrence=2)
NEW_PLAN = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), summary="as now")), text="say what shows it")


def released_before(folder: Path) -> Path:
    """The agents of a release whose planner made `plan/1`."""
    shutil.copytree(AGENTS, folder)
    planner = folder / "planner" / "v1.md"
    text = planner.read_text().replace("returns: plan/2", "returns: plan/1")
    planner.write_text(text.replace("say what shows it", "say it"))
    return folder


def released_now(folder: Path) -> Path:
    """The agents of the next release: the planner of before, and one that makes `plan/2`."""
    released_before(folder)
    text = (AGENTS / "planner" / "v1.md").read_text()
    (folder / "planner" / "v2.md").write_text(text.replace("version: 1", "version: 2", 1))
    return folder


async def test_a_run_that_pinned_the_old_planner_ends_as_it_began(client: Client, tmp_path: Path) -> None:
    """Begun by the old release and approved under the new one: the old planner answers as before, and its plan is worked off.

    A run that begins after the upgrade has the new planner.
    """
    origin = sample(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", NEW_PLAN, OLD_PLAN, OLD_AGAIN, writer("fix", FIX), a_tester())
    state, queue = tmp_path / "state", f"upgrade-{tmp_path.name}"
    released = released_before(tmp_path / "agents")
    async with stack(client, state, script, task_queue=queue, agents=released, runs_stay=True) as before:
        run = await before.deliver(origin, branch="upgraded")
        seen = await before.gate(run, "plan-1")
    async with stack(client, state, script, task_queue=queue, agents=released_now(tmp_path / "agents-now")) as after:
        await after.decide(seen, "request_changes", note="smaller")
        second = await after.approve(run, "plan-2")
        later = await after.gate(await after.deliver(origin), "plan-1")
        await after.approve(run, "change-1")
        report = await run.result()
        made = await after.ledger.read(_plans)
        await _handed_on(after, run)
        await after.decide(later, "reject", note="seen enough")
    assert (report.state, report.summary) == ("done", "as before, smaller")
    assert made == [("planner@v1", "plan/1"), ("planner@v1", "plan/1"), ("planner@v2", "plan/2")]
    assert "1 of 1 acceptance criteria without a test or command that proves it: fix: half a cent rounds up" in second.facts
    assert not any("name nothing that shows them" in fact for fact in later.facts)


def _plans(connection: Connection) -> list[tuple[str, str]]:
    rows = connection.execute(select(handoffs_table).where(handoffs_table.c.path.like("plan/%")).order_by(handoffs_table.c.at))
    found = [(handoffs.get(connection, row.id).producer, row.contract) for row in rows]
    return [(f"{producer.agent}@{producer.version}", contract) for producer, contract in found]


async def _handed_on(running: Stack, run: WorkflowHandle[Any, Any]) -> None:
    """The stored plan reads as today's plan, and enters a prompt as it was made, under the name that it was made as."""
    trace = (await running.feed(run))[0].trace
    made = {row.path: row.id for row in await running.ledger.read(handoffs.of_trace, trace)}
    stored = await running.ledger.read(handoffs.get, made["plan/2"])
    lifted = stored.read_as(Plan)
    assert lifted is not None
    assert [one.line for one in lifted.items[0].acceptance] == ["half a cent rounds up"]
    tester = load_catalogue(AGENTS, TOOLS).newest("tester")
    task = TestTask(instruction="Fix it", acceptance=(), files=(), diff="", check=None)
    shown = task_text(tester, task, [stored])
    assert "Handoff plan/1 from planner@v1" in shown
    assert '"acceptance": [\n    "half a cent rounds up"\n   ]' in shown


async def test_an_old_worker_leaves_what_is_newer_to_a_new_one(client: Client, start: Start) -> None:
    """A plan of a later version is not guessed at: the task fails with what to do, and the run goes on with a newer worker."""
    async with start(NEW_PLAN, check=None) as running:
        soon = timedelta(seconds=1)
        async with beside(
            running, "plans", PlansAsBefore, runs_stay=True, sticky_queue_schedule_to_start_timeout=soon
        ) as queue:
            run = await _begin(client, queue)
            said = await until(lambda: _failed_task(run), "the old worker's task failed")
        async with beside(running, "plans", PlansAsNow, sticky_queue_schedule_to_start_timeout=soon):
            assert await run.result() == "do fix"
    assert "plan/2 is newer than this release can read (plan/1)" in said
    assert "Upgrade this worker" in said


async def _begin(client: Client, queue: str) -> WorkflowHandle[Any, Any]:
    asked = {"repository": "none", "instruction": "Fix it", "owner": "olga"}
    # The old worker's last try may be under way when it stops; it is given to the next after its time limit, ten seconds.
    return await client.start_workflow("Plans", asked, id=queue, task_queue=queue, result_type=str)


async def _failed_task(run: WorkflowHandle[Any, Any]) -> str | None:
    async for event in run.fetch_history_events():
        if event.HasField("workflow_task_failed_event_attributes"):
            return event.workflow_task_failed_event_attributes.failure.message
    return None
