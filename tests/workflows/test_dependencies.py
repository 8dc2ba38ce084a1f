"""Items that come after others: none begins before those are done, and each starts from what they made."""

from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from tests.scripts import a_tester, answer, could_not, edit, item, plan, says, write, writer
from tests.stack import git, sample
from tests.workflows.conftest import Start

CHAIN = plan(item("one", ["notes.md"]), item("two", ["notes.md"], ("one",)), item("three", ["notes.md"], ("two",)))
PLANNER = says("planner", answer(CHAIN))


async def _happened(run: WorkflowHandle[Any, Any]) -> list[str]:
    """When each child was to begin and when it was done, as the parent's history has it."""
    told = []
    for event in (await run.fetch_history()).events:
        begun, done = (
            event.start_child_workflow_execution_initiated_event_attributes,
            event.child_workflow_execution_completed_event_attributes,
        )
        if begun.workflow_id:
            told.append(f"{begun.workflow_id.rpartition('.')[2]} begins")
        if done.workflow_execution.workflow_id:
            told.append(f"{done.workflow_execution.workflow_id.rpartition('.')[2]} is done")
    return told


async def test_an_item_waits_for_those_it_depends_on_and_starts_from_their_files(start: Start, tmp_path: Path) -> None:
    """Each of three works on a file that the one before it wrote, also the last, which names only the second."""
    origin = sample(tmp_path / "sample")
    writers = (
        writer("one", write("notes.md", "first\nA\n")),
        writer("two", edit("notes.md", "A\n", "B\n")),
        writer("three", edit("notes.md", "first\nB\n", "third\nC\n")),
    )
    async with start(PLANNER, *writers, a_tester(), check=None) as stack:
        run = await stack.deliver(origin, branch="notes", check="true")
        await stack.approve(run, "plan-1")
        change = await stack.next_gate(run)
        assert change.gate == "change-1", change.facts
        assert await _happened(run) == [f"{name} {what}" for name in ("one", "two", "three") for what in ("begins", "is done")]
        await stack.decide(change)
        assert (await run.result()).state == "done"
    assert git(origin, "show", "notes:notes.md") == "third\nC"


async def test_an_item_does_not_begin_where_one_before_it_is_not_done(start: Start, tmp_path: Path) -> None:
    """The second could not: the third is not started, and a person is told which one is missing."""
    origin = sample(tmp_path / "sample")
    writers = writer("one", write("notes.md", "A\n")), says("writer", could_not("no"), text="Your item is `two`")
    async with start(PLANNER, *writers, writer("three", write("notes.md", "C\n")), check=None) as stack:
        run = await stack.deliver(origin, check="true")
        await stack.approve(run, "plan-1")
        stuck = await stack.next_gate(run)
        assert stuck.facts[:2] == ("two is could_not: no", "three is could_not: not started: two is not done")
        assert await _happened(run) == ["one begins", "one is done", "two begins", "two is done"]
        await stack.decide(stuck, "reject", note="enough")
        await run.result()
