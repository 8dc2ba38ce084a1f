"""A limit ends a step with work in hand: asked once for what there is, and what there was is kept and readable."""

import shutil
from pathlib import Path

from config import HOME
from tests.scripts import a_tester, answer, call, calls, edit, item, plan, says, summary, writer
from tests.stack import git, sample
from tests.workflows.conftest import Ask, Start

DONE = answer(summary("did it"))
LOOK = calls(call("run_state"))
HALF = {"raw": "I have found two of the three places: a.py and b.py."}
TWO_TURNS = {"limits": {"turns": 2}}
FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)


async def test_what_an_agent_had_said_at_its_limit_is_kept(asking: Ask) -> None:
    """A last reply that is no final output is an artifact that the step's handoff names, and shows in its reason."""
    async with asking(LOOK, HALF, DONE, agent=TWO_TURNS) as made:
        run = await made.start()
        ended = await made.ended(run)
        kept = await made.stack.artifact(ended.handoff.inputs[0])
        said = await made.stack.said(run)
    assert (ended.handoff.outcome, len(ended.turns)) == ("unsure", 2)
    assert kept.decode() == HALF["raw"]
    assert f"its last reply is artifact {ended.handoff.inputs[0]}: I have found two" in ended.handoff.reason
    assert "the step ends as unsure; what it said and changed is kept" in said


async def test_what_was_said_on_the_way_is_kept_where_the_last_reply_says_nothing(asking: Ask) -> None:
    """An agent that only calls tools at its limit leaves the newest text that it said before."""
    talking = LOOK | {"text": "a.py is the place"}
    async with asking(talking, LOOK, agent=TWO_TURNS) as made:
        ended = await made.ended(await made.start())
        kept = await made.stack.artifact(ended.handoff.inputs[0])
    assert (ended.handoff.outcome, kept) == ("unsure", b"a.py is the place")


async def test_an_agent_that_never_said_anything_leaves_nothing(asking: Ask) -> None:
    """Where there is no text at all no artifact is made, and the reason is the limit and the problem alone."""
    async with asking(LOOK, LOOK, agent=TWO_TURNS) as made:
        ended = await made.ended(await made.start())
    assert (ended.handoff.outcome, ended.handoff.inputs) == ("unsure", ())
    assert "its last reply is artifact" not in ended.handoff.reason


async def test_a_model_that_cannot_be_asked_at_the_limit_leaves_what_there_is(asking: Ask) -> None:
    """A provider that refuses the last call does not turn what was done into nothing: the step is unsure, with both reasons."""
    async with asking(LOOK, {"error": "too_large"}, DONE, agent=TWO_TURNS) as made:
        ended = await made.ended(await made.start())
    assert ended.handoff.outcome == "unsure"
    assert ended.handoff.reason.startswith("its limit of 2 turns is reached; the model call for its final output failed: ")


async def test_what_a_writer_changed_before_its_limit_is_kept(start: Start, tmp_path: Path) -> None:
    """A writer that hits its limit is unsure, its change is there, and a person can go on with it to the pushed branch."""
    origin = sample(tmp_path / "sample")
    agents = shutil.copytree(HOME / "agents", tmp_path / "agents")
    for version in (agents / "writer").glob("v*.md"):
        version.write_text(version.read_text().replace("turns: 40", "turns: 2"))
    planner = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
    stopped = says("writer", FIX, HALF, text="Your item is `fix`")
    async with start(planner, stopped, writer("fix"), a_tester(), agents=agents) as stack:
        run = await stack.deliver(origin, branch="kept")
        await stack.approve(run, "plan")
        stuck = await stack.next_gate(run)
        assert stuck.gate == "stuck-1"
        assert "fix is unsure: its limit of 2 turns is reached" in " ".join(stuck.facts)
        assert "I have found two of the three places" in " ".join(stuck.facts)
        await stack.decide(stuck, "approve")
        await stack.approve(run, "change")
        report = await run.result()
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert "+    return (cents * (100 - percent) + 50) // 100" in git(origin, "show", "kept")
