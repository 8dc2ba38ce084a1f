"""Reset: a finished delivery set back to any point repeats no effect and pays no call again; another decision is followed."""

import asyncio
from pathlib import Path

import pytest

from ledger.tables import turn
from tests.children import PATIENCE
from tests.depth import count, of_all_shown
from tests.scripts import a_tester, answer, edit, item, plan, read, says, writer
from tests.stack import Stack, sample, until
from tests.workflows.conftest import Start
from tests.workflows.resetting import (
    NOT_AGAIN,
    Counting,
    Left,
    Run,
    child_runs,
    counting,
    decisions,
    is_consistent,
    left,
    point_before,
    points,
    reset,
    to_its_end,
)

CHECK = "sh check.sh"
FILES = {"check.sh": "! grep broken value.txt || exit 1\ndate +%s%N\n", "value.txt": "old\n"}
"""A check that passes in other words each time: what was measured is no part of what is approved."""

ITEMS = (item("value", ["value.txt"]), item("doc", ["README.md"]))
PLAN = plan(*ITEMS, summary="first thoughts")
PLANNER = says("planner", read("value.txt"), answer(PLAN))
DOC = writer("doc", edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, rounded.\n"))
SCRIPT = (
    PLANNER,
    writer("value", edit("value.txt", "old", "broken")),
    DOC,
    writer("rework-1", edit("value.txt", "broken", "mended")),
    a_tester(read("value.txt")),
)
"""Two writers, checks that fail once, and a round of rework: every kind of step but a conflict."""

PARTS = count(1, soak=3)
"""Deliveries whose events are gone through side by side."""


async def _delivered(stack: Stack, origin: Path) -> Run:
    run = await stack.deliver(origin, branch="mended", check=CHECK)
    await stack.approve(run, "plan-1", note="looks right")
    await stack.approve(run, "change-1")
    report = await run.result()
    assert (report.state, report.tests.verdict) == ("done", "passed")
    return run


async def _repeats_nothing(stack: Stack, origin: Path, model: Counting, run: Run, point: int, before: Left) -> None:
    """Reset to one point, drive to the end, and compare everything that is left behind."""
    again = await reset(stack, run, point)
    report = await asyncio.wait_for(to_its_end(stack, again), PATIENCE)
    assert (report.state, report.approved_by) == ("done", ("plan-1 by maria", "change-1 by maria")), point
    assert await left(stack, origin, model) == before, f"the reset to event {point} did something again"
    await is_consistent(stack, again, "done")


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_reset_to_any_event_repeats_nothing(start: Start, tmp_path: Path, part: int) -> None:
    """Whatever event it is set back to, whatever came next there: end, origin, outbox and bill are as they were.

    That is seen: with a ledger that has lost its turns, they are paid again.
    """
    origin = sample(tmp_path / "sample", FILES)
    async with start(*SCRIPT, workflow_sandbox=False) as stack:
        model = counting(stack)
        run = await _delivered(stack, origin)
        before = await left(stack, origin, model)
        tried = of_all_shown(await points(run), lambda point: point.next)[part::PARTS]
        first_call = await point_before(run, "call_model")
        for point in tried:
            await _repeats_nothing(stack, origin, model, run, point.event, before)
        await stack.ledger.tx(lambda connection: connection.execute(turn.delete()))
        with pytest.raises(AssertionError, match=r"the reset to event \d+ did something again"):
            await _repeats_nothing(stack, origin, model, run, first_call, before)
    assert len(tried) > count(5, soak=9), tried
    assert before.actions[0][1:] == ("delivered", 1)
    assert before.paid == 12


async def test_another_decision_after_a_reset_is_followed(start: Start, tmp_path: Path) -> None:
    """Set back to before the plan's approval, changes are requested: new calls, none of which reads what the old way said;
    the change comes out the same, so its push is found and not made again. Set back to its last gate and rejected, the
    finished run ends anew, and what was pushed stays as it was."""
    origin = sample(tmp_path / "sample", FILES)
    second = says("planner", answer(plan(*ITEMS, summary="second thoughts")), text="say less")
    async with start(second, *SCRIPT, workflow_sandbox=False) as stack:
        model = counting(stack)
        run = await _delivered(stack, origin)
        before = await left(stack, origin, model)
        trace = (await run.result()).trace
        at_the_change = await point_before(run, "admit_decision", 2)
        again = await reset(stack, run, await point_before(run, "open_gate"), NOT_AGAIN)
        view = await stack.gate(again, "plan-1")
        waiting = await decisions(stack, trace)
        await stack.decide(view, "request_changes", by="otto", note="say less")
        report = await asyncio.wait_for(to_its_end(stack, again), PATIENCE)
        after = await left(stack, origin, model)
        made = await decisions(stack, trace)
        await is_consistent(stack, again, "done")
        story = await stack.said(again)
        third = await reset(stack, run, at_the_change, NOT_AGAIN)
        await stack.decide(await stack.gate(third, "change-1"), "reject", by="otto", note="not today")
        rejected = await third.result()
        left_by_it = await left(stack, origin, model)
        await is_consistent(stack, third, "could_not")
    assert (rejected.state, rejected.reason) == ("could_not", "the change was rejected by otto: not today")
    assert left_by_it == after
    assert ("plan-1", "approve", "maria", "superseded") in waiting
    assert [one for one in made if one[0] == "plan-1"] == [
        ("plan-1", "approve", "maria", "superseded"),
        ("plan-1", "request_changes", "otto", "won"),
    ]
    assert report.approved_by == ("plan-2 by mia", "change-1 by mia")
    assert (after.refs, after.objects, after.actions) == (before.refs, before.objects, before.actions)
    new = model.asked[before.paid :]
    assert {one.agent for one in new} == {"planner", "writer", "tester"}
    assert [one.agent for one in new if "first thoughts" in one.model_dump_json()] == []
    assert "approve by maria no longer counts" in story


async def test_children_of_before_a_reset_make_room(start: Start, tmp_path: Path) -> None:
    """Set back while its writers work, a run ends them, starts them anew, and pays only the calls that were cut off."""
    origin = sample(tmp_path / "sample", FILES)
    async with start(*SCRIPT, workflow_sandbox=False) as stack:
        model = counting(stack)
        model.held["writer"] = asyncio.Event()
        run = await stack.deliver(origin, branch="mended", check=CHECK)
        await stack.approve(run, "plan-1")
        await until(lambda: _asked(model, "writer", 2), "both writers are asked")
        again = await reset(stack, run, await point_before(run, "open_gate"))
        await until(lambda: _asked(model, "writer", 4), "both writers are asked anew")
        model.held.pop("writer").set()
        report = await asyncio.wait_for(to_its_end(stack, again), PATIENCE)
        former = {name: await child_runs(stack, run, f"write.1.{name}") for name in ("value", "doc")}
        await is_consistent(stack, again, "done")
    assert report.state == "done"
    assert {name: sorted(states) for name, states in former.items()} == {
        "value": ["CANCELED", "COMPLETED"],
        "doc": ["CANCELED", "COMPLETED"],
    }
    assert len(model.asked) == 12 + 2


async def _asked(model: Counting, agent: str, times: int) -> bool | None:
    return True if sum(one.agent == agent for one in model.asked) >= times else None
