"""Steps that a person does: the route `human` makes them a gate, and what is handed in counts like an agent's answer."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from temporalio.client import WorkflowUpdateFailedError

from contracts.gates import GateView
from contracts.handoff import ByPerson, Producer
from ledger import handoffs
from ledger.tables import edge, turn
from ledger.views.work import sheet_of
from tests.scripts import a_tester, answer, edit, item, plan, says, summary, writer
from tests.stack import Stack, git, sample
from tests.workflows.conftest import Start

PATH = "shop/pricing.py"
OLD, NEW = "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
PLAN = answer(plan(item("round", [PATH])))["answer"]
PLANNER = says("planner", answer(plan(item("round", [PATH]))))
WRITER = writer("round", edit(PATH, OLD, NEW))
HUMAN = '[{ model = "human" }]'


def routed(folder: Path, **agents: str) -> Path:
    """The shipped agents, of whom these have routes of their own, as TOML."""
    shutil.copytree("agents", folder)
    routes = folder / "routes.toml"
    own = "\n".join(f"{name} = {choices}" for name, choices in agents.items())
    routes.write_text(f"{routes.read_text()}\n[agents]\n{own}\n")
    return folder


async def refused(stack: Stack, view: GateView, **said: Any) -> str:
    """Why an answer is refused. The gate is open afterwards as before."""
    with pytest.raises(WorkflowUpdateFailedError) as why:
        await stack.decide(view, "answer", **said)
    return str(why.value.cause)


def turn_by_hand(connection: Connection) -> Any:
    """The turn that a person has made."""
    return connection.execute(select(turn).where(turn.c.provider == "human")).one()


def parents_of(connection: Connection, child: str) -> list[str]:
    """What a thing came from directly."""
    return list(connection.execute(select(edge.c.parent).where(edge.c.child == child)).scalars())


async def test_a_person_plans_a_delivery(start: Start, tmp_path: Path) -> None:
    """They are shown all that the planner would be; what does not fit is refused by field and loses nothing; what fits is the
    planner's handoff, theirs by name, at no cost, and comes from their decision."""
    agents = routed(tmp_path / "agents", planner=HUMAN)
    async with start(WRITER, a_tester(), agents=agents) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), instruction="Round the half cent up")
        view = await stack.gate(run, "work-1")
        assert view.work is not None
        sheet = await stack.ledger.read(sheet_of, stack.ledger.files, view.work)
        assert "Round the half cent up" in dict(sheet.said)["task"]
        assert "You are the planner" in sheet.instructions
        assert sheet.form["properties"]["body"]
        assert "does not fit plan/2: body.items: Field required" in await refused(
            stack, view, made=PLAN | {"body": {"summary": "x", "risks": [], "check": None}}
        )
        assert "needs `made`" in await refused(stack, view)
        assert "takes no patch" in await refused(stack, view, made=PLAN, patch="diff")
        await stack.decide(view, "answer", made=PLAN, by="maria", channel="cli")
        await stack.approve(run, "plan-1")
        await stack.approve(run, "change-1")
        report = await run.result()
        made = await stack.ledger.read(turn_by_hand)
        planned = (await stack.ledger.read(handoffs.of_trace, view.trace))[0]
        parents = await stack.ledger.read(parents_of, made.id)
        said = await stack.said(run)
    assert (report.state, made.usd_micros, made.tokens_in, made.model_answered) == ("done", 0, 0, "maria")
    assert f"{view.trace}/work-1" in parents
    producer = Producer.model_validate_json(planned.producer)
    assert (producer.agent, producer.model) == ("planner", "human:maria")
    assert producer.person == ByPerson(name="maria", gate="work-1", channel="cli", authenticated=False)
    assert "maria: did the step of planner@" in said


async def test_a_person_writes_by_a_patch(start: Start, tmp_path: Path) -> None:
    """Their patch becomes the item's change, and is checked as an agent's edits are: what does not apply, is no patch, or makes
    a link is refused with the reason; what reaches the origin is what they handed in."""
    origin = sample(tmp_path / "sample")
    git(tmp_path, "clone", "--quiet", str(origin), "work")
    work = tmp_path / "work"
    (work / PATH).write_text((work / PATH).read_text().replace(OLD, NEW))
    patch = git(work, "diff", "--binary") + "\n"
    (work / "link").symlink_to("/etc/passwd")
    git(work, "add", "--all")
    link = git(work, "diff", "--binary", "--cached") + "\n"
    agents, made = routed(tmp_path / "agents", writer=HUMAN), answer(summary())["answer"]
    async with start(PLANNER, a_tester(), agents=agents, check=None) as stack:
        run = await stack.deliver(origin, branch="by/hand")
        await stack.approve(run, "plan-1")
        view = await stack.gate(run, "work")
        assert "no patch that git can read" in await refused(stack, view, made=made, patch="nonsense")
        assert "does not apply" in await refused(stack, view, made=made, patch=patch.replace("return int(", "return float("))
        assert "only plain files are taken: link" in await refused(stack, view, made=made, patch=link)
        await stack.decide(view, "answer", made=made, patch=patch)
        await stack.approve(run, "change-1")
        report = await run.result()
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert NEW.strip() in git(origin, "show", f"by/hand:{PATH}")
