"""Delivery when things are not as they should be: unclear instructions, conflicts, red checks, wrong claims."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError

from tests.depth import deep
from tests.scripts import a_tester, answer, call, calls, could_not, edit, item, plan, read, says, summary, unsure, write, writer
from tests.stack import git, sample
from tests.workflows.conftest import Start

OLD = "    return int(cents * (100 - percent) / 100)\n"
NEW = "    return (cents * (100 - percent) + 50) // 100\n"
FIX = edit("shop/pricing.py", OLD, NEW)
PLANNER = says("planner", read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"]))))


async def test_an_ambiguous_instruction_is_asked_about(start: Start, tmp_path: Path) -> None:
    """Unsure with a question opens a clarify gate, and the same conversation goes on with the typed answer."""
    origin = sample(tmp_path / "sample")
    question = {"id": "direction", "text": "Round half a cent up or down?", "options": ["up", "down"]}
    planner = says(
        "planner",
        unsure("both readings are possible", question),
        read("shop/pricing.py"),
        answer(plan(item("fix", ["shop/pricing.py"]), summary="round up, as answered")),
    )
    async with start(planner, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin, instruction="Fix the rounding")
        view = await stack.gate(run, "clarify")
        assert (view.questions[0].options, view.verbs) == (("up", "down"), ("answer",))
        await stack.decide(view, "answer", answers={"direction": "up"})
        planned = await stack.gate(run, "plan")
        await stack.decide(planned, "reject", note="seen enough")
        await run.result()
        prompts = [row for row in await stack.feed(run) if "clarify" in row.did]
    assert planned.narrative == "round up, as answered"
    assert prompts


async def test_an_incomplete_instruction_without_questions_goes_to_a_person(start: Start, tmp_path: Path) -> None:
    """Unsure without a plan and without questions is not guessed at: a person's note goes back to the planner."""
    origin = sample(tmp_path / "sample")
    again = plan(item("fix", ["shop/pricing.py"]), summary="half up")
    second = says("planner", answer(again), text="make 999 at 50 percent 500")
    first = says("planner", unsure("the instruction does not say what the right price is"))
    async with start(second, first, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin, instruction="Fix prices")
        stuck = await stack.gate(run, "stuck")
        assert "does not say what the right price is" in stuck.facts[0]
        await stack.decide(stuck, "request_changes", note="make 999 at 50 percent 500")
        planned = await stack.gate(run, "plan")
        assert planned.narrative == "half up"
        await stack.decide(planned, "reject", note="seen enough")
        await run.result()


@deep("tests/workflows/test_delivery.py::test_the_planners_could_not_ends_the_run_early")
async def test_a_contradictory_instruction_ends_with_its_reason(start: Start, tmp_path: Path) -> None:
    """The planner says could_not for what contradicts itself; the report carries the reason."""
    origin = sample(tmp_path / "sample")
    async with start(says("planner", could_not("round up and round down exclude each other"))) as stack:
        report = await (await stack.deliver(origin, instruction="Round up. Round down.")).result()
    assert (report.state, report.reason) == (
        "could_not",
        "the planner could not plan: round up and round down exclude each other",
    )


async def test_low_confidence_is_unsure_and_shown_at_the_gate(start: Start, tmp_path: Path) -> None:
    """A plan below the agent's minimum confidence is routed as unsure; the gate says so."""
    origin = sample(tmp_path / "sample")
    planner = says("planner", answer(plan(item("fix", ["shop/pricing.py"])), confidence=120))
    async with start(planner) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan")
        await stack.decide(view, "reject", note="too vague")
        await run.result()
    assert any("is 120 of 1000 sure" in fact for fact in view.facts)


async def test_a_confident_claim_without_evidence_is_marked(start: Start, tmp_path: Path) -> None:
    """A quote that is not in what the planner read marks the claim as unsupported, whatever the confidence says."""
    origin = sample(tmp_path / "sample")
    claims: list[dict[str, Any]] = [
        {
            "subject": "shop/pricing.py",
            "attribute": "rounding",
            "value": "uses Decimal",
            "evidence": [{"artifact": "@artifact:1", "quote": "from decimal import Decimal"}],
        },
        {
            "subject": "shop/pricing.py",
            "attribute": "rounding",
            "value": "cut off by int()",
            "evidence": [{"artifact": "@artifact:1", "quote": "return int(cents"}],
        },
    ]
    planner = says(
        "planner", read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"])), claims=claims, confidence=1000)
    )
    async with start(planner) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan")
        await stack.decide(view, "reject", note="the claim is wrong")
        await run.result()
    assert "planner: 1 of 2 claims without verified evidence: shop/pricing.py: rounding = uses Decimal" in view.facts


async def test_writes_outside_the_plan_go_to_a_person(start: Start, tmp_path: Path) -> None:
    """A file that the item does not name opens a conflict gate; rejecting it ends the run with nothing pushed."""
    origin = sample(tmp_path / "sample")
    conversation = writer("fix", FIX, write("shop/extra.py", "x = 1\n"))
    async with start(PLANNER, conversation) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan")
        view = await stack.next_gate(run)
        assert (view.kind, view.title) == ("conflict", "files outside the plan were changed")
        await stack.decide(view, "reject", note="nobody asked for extra.py")
        report = await run.result()
    assert view.facts[0] == "fix: shop/extra.py"
    assert (report.state, "shop/extra.py" in report.reason) == ("could_not", True)
    assert git(origin, "branch", "--list").split() == ["*", "main"]


async def test_two_writers_on_one_line_are_never_merged_by_guessing(start: Start, tmp_path: Path) -> None:
    """A textual conflict opens a gate; approving it has the later item done again on top of the earlier one."""
    origin = sample(tmp_path / "sample")
    planner = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), item("doc", ["README.md"]))))
    first = writer("fix", FIX)
    clash = edit("shop/pricing.py", OLD, "    return round(cents * (100 - percent) / 100)\n")
    again = says(
        "writer",
        read("shop/pricing.py"),
        edit("README.md", "Prices are whole cents.\n", "Prices are whole cents; half a cent rounds up.\n"),
        answer(summary("only the README now")),
        text="do yours on top of them",
    )
    async with start(planner, again, first, writer("doc", clash), a_tester()) as stack:
        run = await stack.deliver(origin, branch="merged")
        await stack.approve(run, "plan")
        outside = await stack.gate(run, "conflict-1")
        assert outside.title == "files outside the plan were changed"
        await stack.decide(outside)
        textual = await stack.gate(run, "conflict-2")
        assert "conflicting files: shop/pricing.py" in textual.facts
        await stack.decide(textual)
        await stack.approve(run, "change")
        report = await run.result()
    assert report.state == "done"
    assert NEW.strip() in git(origin, "show", "merged:shop/pricing.py")
    assert "rounds up" in git(origin, "show", "merged:README.md")


async def test_a_check_that_was_red_before_is_told_apart(start: Start, tmp_path: Path) -> None:
    """Failures of the base are named as such: the verdict is no_new_failures, never passed."""
    broken = {"tests/test_other.py": "def test_other():\n    assert False, 'red for years'\n"}
    origin = sample(tmp_path / "sample", broken)
    async with start(PLANNER, writer("fix", FIX), a_tester(), check=None) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan")
        view = await stack.gate(run, "change")
        await stack.decide(view)
        report = await run.result()
    assert report.tests.verdict == "no_new_failures"
    assert report.tests.failed_before == ("tests.test_other::test_other", "tests.test_pricing::test_half_a_cent_rounds_up")
    assert report.tests.fixed == ("tests.test_pricing::test_half_a_cent_rounds_up",)
    assert "failed before and still fail: tests.test_other::test_other" in " ".join(view.facts) or view.risk.startswith("high")


@deep("tests/workflows/test_loops.py::test_rework_that_could_not_asks_a_person_who_can_help")
async def test_failed_tests_go_back_to_the_writer_until_they_pass(start: Start, tmp_path: Path) -> None:
    """A change that breaks tests is reworked with the failures as feedback; the verdict comes from the second run."""
    origin = sample(tmp_path / "sample")
    wrong = writer("fix", edit("shop/pricing.py", OLD, "    return cents + 1\n"))
    mend = says(
        "writer",
        read("shop/pricing.py"),
        edit("shop/pricing.py", "    return cents + 1\n", NEW),
        answer(summary("mended")),
        text="Your item is `rework-1`",
    )
    async with start(mend, PLANNER, wrong, a_tester(), check=None) as stack:
        run = await stack.deliver(origin)
        await stack.approve(run, "plan")
        await stack.approve(run, "change")
        report = await run.result()
        story = await stack.said(run)
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert "rework round 1" in story
    assert "tests: failed" in story


async def test_a_lying_tester_does_not_decide(start: Start, tmp_path: Path) -> None:
    """The tester says that all is well; the run of the check says otherwise, and a person is asked after N rounds."""
    origin = sample(tmp_path / "sample")
    wrong = writer("fix", edit("shop/pricing.py", OLD, "    return cents + 1\n"))
    async with start(PLANNER, wrong, a_tester(), check=None) as stack:
        run = await stack.deliver(origin, rework=0)
        await stack.approve(run, "plan")
        view = await stack.gate(run, "stuck")
        assert view.title == "the checks still fail"
        await stack.decide(view, "reject", note="give up")
        report = await run.result()
    assert report.state == "could_not"
    assert "tests fail" in report.reason
    broken = "tests.test_pricing::test_no_discount_changes_nothing"
    assert f"new failures: {broken}" in report.reason
    assert (report.tests.verdict, report.tests.new_failures) == ("failed", (broken,))
    assert ("failing", broken) in report.reading().lines


async def test_the_testers_own_tests_count_and_its_other_writes_do_not(start: Start, tmp_path: Path) -> None:
    """Tests that the tester adds are in the change; others are left out and named, also in a hidden folder called tests."""
    origin = sample(tmp_path / "sample")
    tests = a_tester(
        calls(
            call("write_file", path="tests/test_new.py", content="def test_new():\n    assert True is not False\n"),
            call("write_file", path="shop/backdoor.py", content="x = 1\n"),
            call("write_file", path=".github/tests/run.yml", content="on: push\n"),
        )
    )
    async with start(PLANNER, writer("fix", FIX), tests) as stack:
        run = await stack.deliver(origin, branch="b")
        await stack.approve(run, "plan")
        view = await stack.approve(run, "change")
        report = await run.result()
    assert "left out because the tester may only write tests: .github/tests/run.yml, shop/backdoor.py" in view.facts
    assert report.tests.tests_added == ("tests/test_new.py",)
    assert git(origin, "ls-tree", "-r", "--name-only", "b").split() == [
        "README.md",
        "pyproject.toml",
        "shop/__init__.py",
        "shop/pricing.py",
        "tests/test_new.py",
        "tests/test_pricing.py",
    ]


async def test_without_a_check_the_plan_gate_asks_and_nothing_is_called_passed(start: Start, tmp_path: Path) -> None:
    """No check declared or found: approving without an answer is refused, 'none' gives the verdict not_run."""
    folder = tmp_path / "plain"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "notes.txt").write_text("hello\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=notes")
    planner = says("planner", answer(plan(item("note", ["notes.txt"]))))
    async with start(planner, writer("note", write("notes.txt", "hello world\n")), a_tester(), check=None) as stack:
        run = await stack.deliver(folder, branch="notes")
        view = await stack.gate(run, "plan")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stack.decide(view)
        await stack.decide(view, answers={"check": "none"})
        change = await stack.approve(run, "change")
        report = await run.result()
    assert 'gate plan-1 needs an answer to check; send answers, e.g. "answers": {"check": "…"}' in str(refused.value.cause)
    assert report.tests.verdict == "not_run"
    assert change.risk.startswith("high")
    assert git(folder, "show", "notes:notes.txt") == "hello world"


async def test_a_second_delivery_of_the_same_tree_pushes_nothing_twice(start: Start, tmp_path: Path) -> None:
    """Two runs that end with the same approved tree on the same branch have one effect, and the second says whose it is."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER, writer("fix", FIX), a_tester()) as stack:
        runs, reports = [], []
        for _ in range(2):
            runs.append(await stack.deliver(origin, branch="same"))
            await stack.approve(runs[-1], "plan")
            await stack.approve(runs[-1], "change")
            reports.append(await runs[-1].result())
    first, second = (report.receipts[0] for report in reports)
    assert [report.state for report in reports] == ["done", "done"]
    assert (first.key, first.reference, first.state) == (second.key, second.reference, second.state)
    assert (first.done_by, second.done_by) == ("", runs[0].id)
    assert git(origin, "rev-list", "--count", "main..same") == "1"


async def test_a_branch_that_holds_something_else_is_not_overwritten(start: Start, tmp_path: Path) -> None:
    """The remote's own branch of that name stays as it is: the run is refused with another name, before a model is asked."""
    origin = sample(tmp_path / "sample")
    git(origin, "branch", "taken", "main")
    before = git(origin, "rev-parse", "taken")
    async with start(PLANNER, writer("fix", FIX), a_tester()) as stack:
        run = await stack.deliver(origin, branch="taken")
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
        history = str((await run.fetch_history()).events)
    assert "branch 'taken' is there already" in str(failed.value.cause.__cause__ or failed.value.cause)
    assert "'taken-2'" in str(failed.value.cause.__cause__ or failed.value.cause)
    assert "call_model" not in history
    assert git(origin, "rev-parse", "taken") == before


async def test_a_request_key_starts_one_run(start: Start, tmp_path: Path) -> None:
    """A second run with the same key in the same project ends at once and names the first."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER) as stack:
        first = await stack.deliver(origin, request_key="ticket-7", project="shop")
        view = await stack.gate(first, "plan")
        second = await (await stack.deliver(origin, request_key="ticket-7", project="shop")).result()
        await stack.decide(view, "reject", note="enough")
        await first.result()
    assert second.state == "could_not"
    assert first.id in second.reason
