"""Delivery with an outside program as its writer: what it is given, what counts of it, what people are told."""

import contextlib
import secrets
import sys
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError

import config
from ledger.db import Ledger
from ledger.migrate import upgrade
from tests import scripts
from tests.processes import Worker
from tests.scripts import a_tester, answer, item, plan, read, says
from tests.stack import QUICK, Stack, beside, git, result_of, sample, stack, until
from tests.workflows.conftest import Start
from tests.workflows.outside import FIX, agents, cmdline, program
from tests.workflows.performing import policy
from tests.workflows.performs import PerformReport, PerformsWithProgram

ONE_ITEM = plan(item("fix", ["shop/pricing.py"]))
PLANNER = says("planner", read("shop/pricing.py"), answer(ONE_ITEM))


TESTED = f"""
import structlog, subprocess
assert told["check"] == "pytest -q" and "/baton/check runs it" in told["instruction"], told
open("tests/test_half.py", "w").write("import structlog\\nfrom shop.pricing import discounted\\n\\n\\n"
    "def test_half_a_cent():\\n    assert discounted(999, 50) == 500\\n")
before = subprocess.run(["/baton/check"], stdout=subprocess.DEVNULL).returncode
{FIX}
after = subprocess.run(["/baton/check"], stdout=subprocess.DEVNULL).returncode
end(summary="rounds half up: %s, check %d, then %d" % (task["item"]["id"], before, after), confidence=800)
"""
"""Writes a test, sees it fail by the project's check, mends the code, and sees it pass."""


async def test_a_programs_change_is_tested_approved_and_pushed(start: Start, tmp_path: Path) -> None:
    """The writer is a program, which runs the project's tests in the environment of the check before it hands in: its diff is
    the change, its last line the summary, and feed, turn and gate say unmetered."""
    origin = sample(tmp_path / "sample")
    ours = program(TESTED)
    own = {"agents": agents(tmp_path / "agents"), "programs": {"ours": ours}}
    tested = says("planner", answer(plan(item("fix", ["shop/pricing.py", "tests/test_half.py"]))))
    async with start(tested, a_tester(), check=None, **own) as stack:
        run = await stack.deliver(origin, branch="fix/rounding", environment=sys.prefix)
        await stack.approve(run, "plan-1")
        change = await stack.approve(run, "change-1")
        report = await run.result()
        said = await stack.said(run)
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert "+    return (cents * (100 - percent) + 50) // 100" in git(origin, "show", "fix/rounding")
    assert "rounds half up: fix, check 1, then 0" in said
    assert "writer@v1 (unmetered): the program ours ended: done, exit code 0" in said
    assert "unmetered: what it cost is not known" in said
    assert any("unmetered" in fact for fact in change.facts), change.facts


APPENDS = """
import os, time
open("README.md", "a").write("written once\\n")
while not os.path.exists("go"):
    time.sleep(0.05)
os.remove("go")
end(summary="appended")
"""
"""It has changed its folder, and goes on when it is let go."""


async def test_a_worker_killed_in_the_middle_of_a_program_does_nothing_twice(client: Client, tmp_path: Path) -> None:
    """The next worker makes the folder anew before it starts the program again: its work is there once, and one push."""
    origin, state = sample(tmp_path / "sample"), tmp_path / "state"
    script = scripts.save(tmp_path / "script.yaml", says("planner", answer(plan(item("fix", ["README.md"])))), a_tester())
    where = {"state": state, "task_queue": f"kill-{secrets.token_hex(4)}", "model": "scripted:x", "script": script}
    ours = {"ours": program(APPENDS).model_dump(mode="json")}
    settings = config.Settings(**where, agents=agents(tmp_path / "agents"), programs=ours)
    ledger = Ledger(settings.database, settings.artifacts)
    upgrade(ledger)
    served = Stack(client, settings, ledger, None, QUICK)  # type: ignore[arg-type]  # its parts are in the other process

    async def writing() -> Path | None:
        found = [one for one in (state / "workspaces" / "files").glob("*write*") if (one / "README.md").exists()]
        return next((one for one in found if "written once" in (one / "README.md").read_text()), None)

    with Worker(client, settings, tmp_path / "worker.log") as worker, contextlib.closing(ledger):
        run = await served.deliver(origin, branch="once")
        await served.approve(run, "plan")
        folder = await until(writing, "the program has written")
        worker.kill()
        (folder / "left-behind").write_text("by the first start")
        worker.start()

        async def anew() -> bool | None:
            return True if await writing() and not (folder / "left-behind").exists() else None

        await until(anew, "the program was started again on a folder made anew")
        (folder / "go").write_text("")
        await served.approve(run, "change")
        report = await run.result()
        said = await served.said(run)
    assert report.state == "done", report
    assert git(origin, "show", "once:README.md").count("written once") == 1
    assert git(origin, "diff", "--name-only", "main", "once") == "README.md"
    assert "it was started 2 times" in said


async def test_a_cancelled_run_leaves_no_process_of_its_program(start: Start, tmp_path: Path) -> None:
    """A program that hangs, with children of its own, is gone when its run is cancelled."""
    mark = f"{secrets.randbelow(10**9) + 10**9}"
    hangs = program(f"import subprocess, time\nsubprocess.Popen(['sleep', '{mark}'])\ntime.sleep({mark})")
    own = {"agents": agents(tmp_path / "agents"), "programs": {"ours": hangs}}

    def running() -> list[int]:
        found = (one for one in Path("/proc").glob("[0-9]*/cmdline") if f"sleep\0{mark}".encode() in cmdline(one))
        return [int(one.parent.name) for one in found]

    async def started() -> bool | None:
        return True if running() else None

    async def ended() -> bool | None:
        return None if running() else True

    async with start(PLANNER, **own) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan")
        await until(started, "the program runs")
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await result_of(run)
        await until(ended, "no process of it is left")


async def test_what_a_check_finds_goes_back_to_the_program(start: Start, tmp_path: Path) -> None:
    """The first try fails the tests; the second is started with their report, on the first one's tree, and fixes it."""
    origin = sample(tmp_path / "sample")
    tries = program(
        """
path = "shop/pricing.py"
text = open(path).read()
said = [one["text"] for one in task["feedback"]]
if not said:
    new = text.replace("int(cents * (100 - percent) / 100)", "0 * (cents + percent)")
else:
    assert "new failures:" in said[0] and "tests.test_pricing" in said[0], said
    new = text.replace("0 * (cents + percent)", "(cents * (100 - percent) + 50) // 100")
open(path, "w").write(new)
end(summary="after a report" if said else "at once")
"""
    )
    own = {"agents": agents(tmp_path / "agents"), "programs": {"ours": tries}}
    async with start(PLANNER, a_tester(), a_tester(), check=None, **own) as stack:
        run = await stack.deliver(origin, branch="fix/rounding")
        await stack.approve(run, "plan-1")
        change = await stack.approve(run, "change-1")
        report = await run.result()
        said = await stack.said(run)
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert "rework round 1" in said
    assert "writer of rework-1: done by the outside program ours" in change.facts


async def test_a_program_that_changes_nothing_could_not(start: Start, tmp_path: Path) -> None:
    """Whatever it says of itself: a person hears that nothing was changed, and decides."""
    own = {"agents": agents(tmp_path / "agents"), "programs": {"ours": program('end(summary="all is well")')}}
    async with start(PLANNER, **own) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan-1")
        view = await stack.gate(run, "stuck")
        await stack.decide(view, "reject", note="then not")
        report = await run.result()
    assert any("it changed nothing: all is well" in fact for fact in view.facts), view.facts
    assert report.state == "could_not"


async def test_nothing_happens_by_itself_in_a_run_with_a_program(client: Client, tmp_path: Path) -> None:
    """Policy has tier auto, and a person is asked all the same; the gate says why, and the report that the cost is unknown."""
    own = {"agents": agents(tmp_path / "agents"), "programs": {"ours": program(FIX)}}
    script = scripts.save(tmp_path / "script.yaml", PLANNER)
    serving = stack(client, tmp_path / "state", script, policy=policy(tmp_path, tier="auto"), **own)
    async with serving as running, beside(running, "perform", PerformsWithProgram, sandboxed=False) as queue:
        asked = {"owner": "olga", "text": "hello"}
        named = {"id": f"perform-{secrets.token_hex(4)}", "task_queue": queue, "result_type": PerformReport}
        run = await client.start_workflow("PerformsWithProgram", asked, **named)
        view = await running.approve(run, "action")
        report = await result_of(run)
    assert "policy: an outside program may have done the steps of writer" in view.facts, view.facts
    assert (report.state, report.unmetered) == ("done", ("writer",))
    assert "unknown" in report.cost
