"""Whole deliveries while a model is away: degraded where something stands in, else a person decides in the step itself."""

import shutil
from pathlib import Path

from temporalio.client import Client

from tests import scripts
from tests.outage.conftest import QUICK
from tests.scripts import a_tester, answer, could_not, edit, item, plan, says, unsure, writer
from tests.stack import QUICK as QUICK_CHECK
from tests.stack import sample, stack
from tests.wire.server import WireServer

AGENTS = Path("agents")
FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
CONVERSATIONS = (says("planner", answer(plan(item("fix", ["shop/pricing.py"])))), writer("fix", FIX), a_tester())


def agents(folder: Path, away: str) -> Path:
    """The shipped agents, all played by a script but for those of one class."""
    shutil.copytree(AGENTS, folder)
    classes = ("thinker", "worker", "reviewer", "router", "fast")
    models = dict.fromkeys(classes, "scripted:test") | {away: "openai:one"}
    lines = [f'{name} = [{{ model = "{model}", free = true }}]' for name, model in models.items()]
    (folder / "routes.toml").write_text("\n".join(["[classes]", *lines]) + "\n")
    return folder


async def test_a_delivery_without_its_tester_is_degraded(client: Client, tmp_path: Path) -> None:
    """The tester asks, a person answers, and then its models are away: what stands in for it was given the answer.

    The checks decide as always, and change gate and report say that it is degraded.
    """
    asks = says("tester", unsure("both would do", {"id": "which", "text": "Which way?"}), answer(None))
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS[:2], asks)
    async with WireServer(script) as server:
        known = {"agents": agents(tmp_path / "agents", "reviewer"), "openai_base_url": server.openai_url, "breakers": QUICK}
        async with stack(client, tmp_path / "state", model="", script=script, check=QUICK_CHECK, **known) as running:
            run = await running.deliver(sample(tmp_path / "sample"))
            await running.approve(run, "plan-1")
            view = await running.gate(run, "clarify-1")
            server.faults.set("one", "credit")
            await running.decide(view, "answer", answers={"which": "up"})
            shown = await running.approve(run, "change-1")
            report = await run.result()
    assert [fact for fact in shown.facts if fact.startswith("degraded: test/1: ")]
    assert shown.risk.startswith("high: ")
    assert "a fallback did test/1" in shown.risk
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert [line.split(":")[0] for line in report.degraded] == ["test/1"]
    assert "checks_alone stands in for tester@v1" in report.degraded[0]
    assert "maria had answered 'Which way?': 'up'." in report.tests.notes


async def test_a_tester_that_could_not_leaves_its_answers_in_the_notes(client: Client, tmp_path: Path) -> None:
    """What the story puts in place of the tester's notes says what people had answered it; the change is told at high risk."""
    asks = says("tester", unsure("both would do", {"id": "which", "text": "Which way?"}), could_not("no tool for that"))
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS[:2], asks)
    async with stack(client, tmp_path / "state", script, check=QUICK_CHECK) as running:
        run = await running.deliver(sample(tmp_path / "sample"))
        await running.approve(run, "plan-1")
        await running.decide(await running.gate(run, "clarify-1"), "answer", answers={"which": "up"})
        shown = await running.approve(run, "change-1")
        report = await run.result()
        said = await running.said(run)
    assert [one for one in shown.facts if one.startswith("the tester could not: no tool for that")], shown.facts
    assert shown.risk.startswith("high: ")
    assert "not done, or not sure: the tester" in shown.risk
    assert ": the tester could not | no tool for that" in said
    assert report.tests.notes == "could_not: no tool for that; maria had answered 'Which way?': 'up'."


async def test_a_writer_without_a_model_asks_a_person(client: Client, tmp_path: Path) -> None:
    """No honest fallback: the step's own gate asks whether to try again; approve does, and the delivery is done."""
    origin, script = sample(tmp_path / "sample"), scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    async with WireServer(script) as server:
        server.faults.set("one", "authentication")
        known = {"agents": agents(tmp_path / "agents", "worker"), "openai_base_url": server.openai_url, "breakers": QUICK}
        async with stack(client, tmp_path / "state", model="", script=script, check=QUICK_CHECK, **known) as running:
            run = await running.deliver(origin)
            await running.approve(run, "plan-1")
            view = await running.gate(run, "stuck")
            assert view.path.startswith("write/1/fix")
            assert "no model is available for writer@v1" in view.title
            server.faults.clear()
            await running.decide(view)
            await running.approve(run, "change-1")
            report = await run.result()
    assert (report.state, report.degraded) == ("done", ())
