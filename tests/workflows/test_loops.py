"""No loop of a delivery ends without a person: what does not converge opens a gate with everything gathered."""

from pathlib import Path

from tests.scripts import a_tester, answer, could_not, edit, item, plan, says, summary, write, writer
from tests.stack import sample
from tests.workflows.conftest import Start
from tests.workflows.test_exceptions import FIX, NEW, OLD

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
WRONG = "    return cents + 1\n"
BREAKABLE = {"check.sh": "! grep broken value.txt\n", "value.txt": "old\n"}
OF_VALUE = says("planner", answer(plan(item("fix", ["value.txt"]))))
ROUNDS = 6
"""As a person counts them, and not as the code says: it may not ask for hundreds."""


async def test_proposals_that_nobody_approves_end_with_a_person(start: Start, tmp_path: Path) -> None:
    """After six rounds a person sees all that was said, lets the planner go on, and it does not start from nothing."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER) as stack:
        run = await stack.deliver(origin)
        for number in range(1, ROUNDS + 1):
            view = await stack.gate(run, f"plan-{number}")
            await stack.decide(view, "request_changes", note=f"objection {number}")
        stuck = await stack.next_gate(run)
        assert (stuck.gate, stuck.title) == ("stuck-1", f"no plan was approved in {ROUNDS} proposals")
        assert [f"objection {number}" in " ".join(stuck.facts) for number in range(1, ROUNDS + 1)] == [True] * ROUNDS
        await stack.decide(stuck, "approve")
        again = await stack.gate(run, f"plan-{ROUNDS + 1}")
        await stack.decide(again, "reject", note="enough")
        report = await run.result()
    assert (report.state, report.reason) == ("could_not", "the plan was rejected by maria: enough")


async def test_a_planner_that_gives_up_while_planning_again_asks_a_person(start: Start, tmp_path: Path) -> None:
    """The first plan is sent back, and the planner could not make another: a person decides, and may say what to do."""
    origin = sample(tmp_path / "sample")
    gives_up = says("planner", could_not("two files cannot be one"), text="one file only")
    tries = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), summary="in pricing.py")), text="pricing.py will do")
    async with start(tries, gives_up, PLANNER) as stack:
        run = await stack.deliver(origin)
        await stack.decide(await stack.gate(run, "plan-1"), "request_changes", note="one file only")
        stuck = await stack.gate(run, "stuck-1")
        assert stuck.title == "the planner could not plan this"
        assert "two files cannot be one" in stuck.facts[0]
        await stack.decide(stuck, "request_changes", note="pricing.py will do")
        view = await stack.gate(run, "plan-2")
        assert view.title == "approve the plan: in pricing.py"
        await stack.decide(view, "reject", note="seen enough")
        await run.result()


async def test_rework_that_could_not_asks_a_person_who_can_help(start: Start, tmp_path: Path) -> None:
    """The writer gives up on mending; with a person's note it tries again, and the change is delivered."""
    origin = sample(tmp_path / "sample")
    gives_up = says("writer", could_not("the test is unclear"), text="Your item is `rework-1`")
    mends = says("writer", edit("shop/pricing.py", WRONG, NEW), answer(summary("mended")), text="half a cent rounds up, always")
    wrong = writer("fix", edit("shop/pricing.py", OLD, WRONG))
    async with start(mends, gives_up, PLANNER, wrong, a_tester(), check=None) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan")
        stuck = await stack.gate(run, "stuck-1")
        assert stuck.title == "rework-1 could not be done again"
        assert "the test is unclear" in stuck.facts[0]
        assert any(fact.startswith("checks: ") for fact in stuck.facts), "what the checks showed is gathered, too"
        await stack.decide(stuck, "request_changes", note="half a cent rounds up, always")
        await stack.approve(run, "change")
        report = await run.result()
        story = await stack.said(run)
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert "rework round 1" in story
    assert "tests: failed" in story


async def test_rework_that_could_not_may_be_gone_on_without(start: Start, tmp_path: Path) -> None:
    """Approved, the change goes on as it is: the checks run again on it, and it reaches nobody as passed."""
    origin = sample(tmp_path / "sample", BREAKABLE)
    gives_up = says("writer", could_not("no"), text="Your item is `rework-")
    async with start(gives_up, OF_VALUE, writer("fix", edit("value.txt", "old", "broken")), a_tester()) as stack:
        run = await stack.deliver(origin, rework=1, check="sh check.sh")
        await stack.approve(run, "plan")
        await stack.decide(await stack.gate(run, "stuck-1"), "approve")
        checks = await stack.gate(run, "stuck-2")
        assert checks.title == "the checks still fail"
        await stack.decide(checks, "reject", note="give up")
        report = await run.result()
    assert (report.state, report.commit) == ("could_not", "")
    assert report.reason.startswith("the checks still fail (reject by maria: give up); ")


async def test_rework_outside_the_plan_is_done_again_with_a_note(start: Start, tmp_path: Path) -> None:
    """Mending, the writer leaves a file that no item names: a person's request goes back to it, and the run goes on."""
    origin = sample(tmp_path / "sample", BREAKABLE)
    mend = edit("value.txt", "broken", "mended")
    strays = writer("rework-1", mend, write("shop/extra.py", "x = 1\n"))
    mends = says("writer", mend, answer(summary("mended")), text="without extra.py")
    async with start(mends, strays, OF_VALUE, writer("fix", edit("value.txt", "old", "broken")), a_tester()) as stack:
        run = await stack.deliver(origin, check="sh check.sh")
        await stack.approve(run, "plan")
        view = await stack.gate(run, "conflict-1")
        assert view.facts[0] == "rework-1: shop/extra.py"
        await stack.decide(view, "request_changes", note="without extra.py")
        await stack.approve(run, "change")
        report = await run.result()
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert [one.path for one in report.files] == ["value.txt"]


async def test_writers_that_change_nothing_ask_a_person(start: Start, tmp_path: Path) -> None:
    """Nothing was written: a person sends the planner back to it with a note, and the second plan is written."""
    origin = sample(tmp_path / "sample")
    second = says("planner", answer(plan(item("other", ["README.md"]))), text="say it in the README")
    async with start(second, PLANNER, writer("fix"), writer("other", write("README.md", "whole cents\n"))) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan-1")
        items = await stack.gate(run, "stuck-1")
        assert items.title == "not done: 1 of 1 item"
        await stack.decide(items, "approve")
        nothing = await stack.gate(run, "stuck-2")
        assert nothing.title == "the writers changed nothing"
        await stack.decide(nothing, "request_changes", note="say it in the README")
        await stack.decide(await stack.gate(run, "plan-2"), "reject", note="seen enough")
        await run.result()


async def test_an_item_that_cannot_be_done_again_after_a_conflict_asks_a_person(start: Start, tmp_path: Path) -> None:
    """Two items changed the same line, and the second finds nothing to do on top of the first: a person goes on without it."""
    origin = sample(tmp_path / "sample")
    both = says("planner", answer(plan(item("one", ["README.md"]), item("two", ["shop/pricing.py"]))))
    one = writer("one", write("README.md", "one\n"), FIX)
    async with start(both, one, writer("two", edit("shop/pricing.py", OLD, WRONG)), a_tester()) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan")
        await stack.approve(run, "conflict-1")
        collision = await stack.approve(run, "conflict-2")
        assert collision.title == "two and an earlier item changed the same lines"
        stuck = await stack.gate(run, "stuck-1")
        assert stuck.title == "two could not be done again"
        assert any(fact.startswith("integration: ") for fact in stuck.facts), "why it was done again is gathered, too"
        await stack.decide(stuck, "approve")
        await stack.approve(run, "change")
        report = await run.result()
    assert (report.state, report.tests.verdict) == ("done", "passed")
