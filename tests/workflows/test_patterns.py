"""A plan's patterns: two items never share a file however it is written, a star stays in its folder, people see the files."""

from pathlib import Path

from tests.scripts import a_tester, answer, edit, item, plan, says, summary, write, writer
from tests.stack import git, sample
from tests.workflows.conftest import Start


async def test_a_star_is_no_leave_for_files_below_other_folders(start: Start, tmp_path: Path) -> None:
    """`sh*` names no file of shop/: what was written there goes to a person, as does a file that only begins like it."""
    origin = sample(tmp_path / "sample", {"shape.py": "X = 1\n"})
    planner = says("planner", answer(plan(item("fix", ["sh*"]))))
    wrote = writer("fix", write("shop/new/evil.txt", "x\n"), write("shape.py", "X = 2\n"), write("deploy/shape.yml", "x\n"))
    async with start(planner, wrote) as stack:
        run = await stack.deliver(origin)
        view = await stack.approve(run, "plan")
        assert "sh* matches 1 file now: shape.py" in view.facts
        outside = await stack.gate(run, "conflict")
        assert outside.facts[0] == "fix: deploy/shape.yml, shop/new/evil.txt"
        await stack.decide(outside, "reject", note="outside")
        assert (await run.result()).state == "could_not"


async def test_a_plan_that_means_every_file_is_repaired(start: Start, tmp_path: Path) -> None:
    """`*`, a way out of the repository, and two spellings of one file: the planner is told, and its next plan counts.

    New files may be meant by a pattern without a file; that there is none now is a fact all the same.
    """
    origin = sample(tmp_path / "sample")
    planner = says(
        "planner",
        answer(plan(item("fix", ["*"]))),
        answer(plan(item("fix", ["shop/*"]), item("other", ["./shop/pricing.py"]))),
        answer(plan(item("fix", ["shop/"]), item("other", ["README.md", "docs/**/*.md"]))),
    )
    async with start(planner) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan")
        assert "shop/ matches 2 files now: shop/__init__.py, shop/pricing.py" in view.facts
        assert "docs/**/*.md matches no files now" in view.facts
        said = await stack.said(run)
        await stack.decide(view, "reject", note="seen")
        await run.result()
    assert "'*'" in said
    assert "items 'fix' and 'other' both touch shop/* and shop/pricing.py" in said


async def test_a_kept_file_may_be_called_what_no_plan_may_say(start: Start, tmp_path: Path) -> None:
    """A person keeps a file outside the plan whose name reads like a pattern: the rework that follows may write it, too."""
    origin = sample(tmp_path / "sample", {"check.sh": "! grep broken value.txt\n", "value.txt": "old\n"})
    wrong = edit("value.txt", "old", "broken")
    mend = says(
        "writer",
        edit("value.txt", "broken", "mended"),
        write("{a,b}.txt", "two\n"),
        answer(summary("mended")),
        text="Your item is `rework-1`",
    )
    planner = says("planner", answer(plan(item("fix", ["value.txt"]))))
    async with start(mend, planner, writer("fix", wrong, write("{a,b}.txt", "one\n")), a_tester()) as stack:
        run = await stack.deliver(origin, branch="kept", check="sh check.sh")
        await stack.approve(run, "plan")
        outside = await stack.approve(run, "conflict")
        assert outside.facts[0] == "fix: {a,b}.txt"
        await stack.approve(run, "change")
        report = await run.result()
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert git(origin, "show", "kept:{a,b}.txt") == "two"
