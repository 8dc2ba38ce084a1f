"""Delivery end to end on a real dev server: the ways a run can go, with real git, tools and sandbox."""

import shutil
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from ledger import runs
from tests.depth import deep
from tests.ledger.books import Book, key
from tests.scripts import a_tester, answer, call, calls, could_not, edit, item, plan, read, says, writer
from tests.stack import git, sample, until
from tests.workflows.conftest import Start

FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
ONE_ITEM = plan(item("fix", ["shop/pricing.py"]))
PLANNER = says("planner", read("shop/pricing.py"), answer(ONE_ITEM))


async def test_an_approved_change_is_pushed_and_reported(start: Start, tmp_path: Path) -> None:
    """The instruction becomes a branch at the origin with exactly the approved tree, and the report says so.

    Its base has one red test: that opens no gate, the plan gate says what it showed, and the verdict uses that same run.
    """
    origin = sample(tmp_path / "sample")
    async with start(PLANNER, writer("fix", FIX), a_tester(), check=None) as stack:
        run = await stack.deliver(origin, branch="fix/rounding")
        view = await stack.approve(run, "plan-1")
        change = await stack.approve(run, "change-1", by="mia")
        report = await run.result()
        assert await activities(run, "run_checks") == 2
        said = await stack.said(run)
        row = await stack.ledger.read(runs.find, run.id)
    assert (report.state, report.branch, report.tests.verdict) == ("done", "fix/rounding", "passed")
    assert report.tests.fixed == ("tests.test_pricing::test_half_a_cent_rounds_up",)
    assert report.approved_by == ("plan-1 by maria", "change-1 by mia")
    assert git(origin, "rev-parse", "fix/rounding") == report.commit
    assert git(origin, "rev-parse", "fix/rounding^{tree}") == report.tree
    assert report.tree[:12] in " ".join(change.facts)
    assert "+    return (cents * (100 - percent) + 50) // 100" in git(origin, "show", "fix/rounding")
    assert (row.state, row.owner) == ("done", "olga")
    assert any(fact.startswith("check: pytest -q; on the base: 4 tests ran, 1 failed") for fact in view.facts)
    assert report.tests.base.failures == ("tests.test_pricing::test_half_a_cent_rounds_up",)
    assert "coordinator: ran the check on the base: 4 tests ran, 1 failed" in said


async def activities(run: WorkflowHandle[Any, Any], name: str) -> int:
    """How often an activity of this name was scheduled."""
    events = (await run.fetch_history()).events
    return sum(one.activity_task_scheduled_event_attributes.activity_type.name == name for one in events)


async def test_the_plan_gate_says_what_runs_like_it_cost(start: Start, tmp_path: Path) -> None:
    """Before five like runs have ended there is no history yet; then p50 and p90 stand among the facts, wherever they are
    shown, and what is approved is the plan as before."""
    origin = sample(tmp_path / "sample")
    subjects = []
    async with start(PLANNER, writer("fix", FIX), a_tester()) as stack:
        for expected in ("no history yet", "$0.50, at most $0.50 in 9 of 10 (5 runs like it)"):
            run = await stack.deliver(origin)
            view = await stack.gate(run, "plan-1")
            assert f"expected cost of the run: {expected}" in view.facts
            facts = list(view.facts)

            async def shown(run: WorkflowHandle[Any, Any] = run, facts: list[str] = facts) -> bool | None:
                # The ledger knows what it adds a moment before the run does.
                return True if (await run.query("status"))["waiting_for"]["facts"] == facts else None

            await until(shown, "the run shows the facts of the ledger")
            subjects.append(await stack.artifact(view.subject))
            await stack.decide(view, "reject", note="enough seen")
            await run.result()
            for _ in range(5):
                book = Book(stack.ledger, scripted=True)
                book.call(key(book.trace), 500_000, 500_000)
                book.end()
    assert subjects[0] == subjects[1]


async def test_the_planners_could_not_ends_the_run_early(start: Start, tmp_path: Path) -> None:
    """A trivial or impossible instruction ends at the planner with its reason; nobody is asked and nothing is pushed."""
    origin = sample(tmp_path / "sample")
    async with start(says("planner", could_not("there is no checkout page in this repository"))) as stack:
        run = await stack.deliver(origin)
        report = await run.result()
    assert report.state == "could_not"
    assert report.reason == "the planner could not plan: there is no checkout page in this repository"
    assert git(origin, "branch", "--list").split() == ["*", "main"]


async def test_requested_changes_go_back_to_the_planner_as_feedback(start: Start, tmp_path: Path) -> None:
    """request_changes reaches the planner as structured input, and the second plan is a new revision of the gate."""
    origin = sample(tmp_path / "sample")
    second = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), summary="smaller")), text="no README please")
    async with start(second, PLANNER, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan-1")
        await stack.decide(view, "request_changes", note="no README please")
        again = await stack.gate(run, "plan-2")
        assert (again.revision, again.narrative) == (2, "smaller")
        await stack.decide(again, "reject", note="seen enough")
        await run.result()
        assert "maria: request_changes at plan-1 | no README please" in await stack.said(run)


@deep("tests/workflows/test_delivery_tiers.py::test_auto_pushes_nothing_that_was_rejected")
async def test_a_rejected_change_is_not_pushed(start: Start, tmp_path: Path) -> None:
    """Reject ends the run with the person's note; the origin is untouched."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan")
        await stack.decide(await stack.gate(run, "change"), "reject", note="not before the release")
        report = await run.result()
    assert report.state == "could_not"
    assert "not before the release" in report.reason
    assert git(origin, "branch", "--list").split() == ["*", "main"]


async def test_two_equal_effects_are_one_and_are_pushed_though_this_machines_copy_is_lost(start: Start, tmp_path: Path) -> None:
    """The same edit asked for twice in one turn, and again in the next, is made once and said to be done already.

    Between the change and its approval the folder of mirrors is deleted: what arrives is the approved tree all the same.
    """
    origin = sample(tmp_path / "sample")
    line = call(
        "edit_file",
        path="README.md",
        old="Prices are whole cents.\n",
        new="Prices are whole cents.\nPrices are whole cents.\n",
    )
    conversation = writer("doc", calls(line, line), calls(line))
    async with start(says("planner", answer(plan(item("doc", ["README.md"])))), conversation, a_tester()) as stack:
        run = await stack.deliver(origin, branch="doc")
        await stack.approve(run, "plan")
        view = await stack.gate(run, "change-1")
        shutil.rmtree(stack.settings.state / "mirrors")
        await stack.decide(view)
        report = await run.result()
        told = [line.did for line in await stack.feed(run) if line.did.startswith("edit_file")]
    assert (report.state, report.reason) == ("done", "")
    assert git(origin, "rev-parse", "doc", "doc^{tree}") == f"{report.commit}\n{report.tree}"
    assert git(origin, "show", "doc:README.md").count("Prices are whole cents.") == 2
    assert told == ["edit_file ran", "edit_file was done already", "edit_file was done already"]
