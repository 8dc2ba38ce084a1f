"""Delivery with an outside program as its writer: what it is given, what counts of it, what people are told."""

from pathlib import Path

from tests.scripts import a_tester, answer, item, plan, read, says
from tests.stack import git, sample
from tests.workflows.conftest import Start
from tests.workflows.outside import FIX, agents, program

ONE_ITEM = plan(item("fix", ["shop/pricing.py"]))
PLANNER = says("planner", read("shop/pricing.py"), answer(ONE_ITEM))


async def test_a_programs_change_is_tested_approved_and_pushed(start: Start, tmp_path: Path) -> None:
    """The writer is a program: its diff is the change, its last line the summary, and feed, turn and gate say unmetered."""
    origin = sample(tmp_path / "sample")
    ours = program(FIX + 'end(summary="rounds half up: " + task["item"]["id"], confidence=800)')
    own = {"agents": agents(tmp_path / "agents"), "programs": {"ours": ours}}
    async with start(PLANNER, a_tester(), check=None, **own) as stack:
        run = await stack.deliver(origin, branch="fix/rounding")
        await stack.approve(run, "plan-1")
        change = await stack.approve(run, "change-1")
        report = await run.result()
        said = await stack.said(run)
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert "+    return (cents * (100 - percent) + 50) // 100" in git(origin, "show", "fix/rounding")
    assert "rounds half up: fix" in said
    assert "writer@v1 (unmetered): run_program ran" in said
    assert any("unmetered" in fact for fact in change.facts), change.facts
