"""Steps that a person does: the route `human` makes them a gate, and what is handed in counts like an agent's answer."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from contracts.gates import GateView
from contracts.handoff import ByPerson, Producer
from ledger import gates, handoffs
from ledger.tables import edge, turn
from ledger.views.work import sheet_of
from tests import scripts
from tests.activities import agentfiles
from tests.activities.agentfiles import routed
from tests.scripts import Turn, a_tester, answer, edit, item, plan, says, summary, writer
from tests.stack import Stack, git, result_of, sample, stack
from tests.workflows.conftest import Ask, Start
from tests.workflows.test_gates import environment

__all__ = ["environment"]

PATH = "shop/pricing.py"
OLD, NEW = "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
PLAN = answer(plan(item("round", [PATH])))["answer"]
PLANNER = says("planner", answer(plan(item("round", [PATH]))))
WRITER = writer("round", edit(PATH, OLD, NEW))
HUMAN = '[{ model = "human" }]'


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
    async with start(PLANNER, a_tester(), agents=agents) as stack:
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


INVALID: Turn = {"raw": "Sure! Here is the result: {"}
DONE = answer(summary("by hand"))["answer"]
LATER = '[classes]\nworker = [{ model = "scripted:any" }, { model = "human:maria", when = ["invalid", "unsure"] }]\n'


async def test_a_person_comes_after_a_model_where_the_route_says_so(asking: Ask) -> None:
    """After a reply that cannot be used whom the route names is asked, and nobody else: with that reply and what is wrong with
    it. Their question goes to a person like any, and its answer to whom the route asks first."""
    question = {"id": "which", "text": "Which one?", "options": []}
    unsure = DONE | {"outcome": "unsure", "reason": "two ways", "questions": [question], "body": None}
    async with asking(INVALID, INVALID, answer(summary("by model")), routes=LATER, model="") as made:
        run = await made.start()
        view = await made.stack.gate(run, "work-1")
        assert view.work is not None
        sheet = await made.stack.ledger.read(sheet_of, made.stack.ledger.files, view.work)
        assert (view.work.chosen, sheet.said[1]) == ("invalid", ("an earlier answer", INVALID["raw"]))
        assert "Invalid JSON" in sheet.said[2][1]
        assert "'paul' may not decide here; policy allows maria" in await refused(made.stack, view, by="paul", made=DONE)
        await run.signal("answer", {"gate": "work-1", "by": "maria", "made": unsure})
        await made.stack.decide(await made.stack.gate(run, "clarify"), "answer", answers={"which": "the first"})
        ended = await made.ended(run)
    assert (ended.summary, ended.handoff.producer.model) == ("by model", "scripted:any")
    assert [row.chosen for row in ended.turns] == ["first", "invalid", "first"]
    assert [row.provider for row in ended.turns] == ["scripted", "human", "scripted"]


async def test_who_asked_for_the_run_may_be_kept_from_its_steps(asking: Ask, tmp_path: Path) -> None:
    """Policy says who does steps, as of any gate; a cancelled run closes the gate."""
    policy = tmp_path / "policy.toml"
    table = '[gates.work]\nwho = ["*"]\n'
    policy.write_text(Path("policy.toml").read_text().replace(table, f"{table}requester_may_approve = false\n"))
    routes = agentfiles.ROUTES.replace("scripted:any", "human")
    async with asking(answer(summary()), routes=routes, policy=policy, model="") as made:
        run = await made.start()
        view = await made.stack.gate(run, "work-1")
        said = await refused(made.stack, view, by="olga", made=DONE)
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await run.result()
        closed = await made.stack.ledger.read(gates.find, view.trace, "work-1")
    assert "'olga' asked for this run and may not do its steps" in said
    assert closed[1] == "cancelled"


async def test_silence_is_no_answer(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """People are reminded, the gate is handed over, and then the step could not be done: the run ends with that reason. To whom
    it is handed over may do the step from then on, and not before."""
    policy = tmp_path / "policy.toml"
    head, _, rest = Path("policy.toml").read_text().partition("[gates.work]\n")
    rest = rest.replace('who = ["*"]', 'who = ["maria"]', 1)
    policy.write_text(f'{head}[gates.work]\nescalation = ["owner"]\nexpiry = "escalate"\n{rest}')
    agents = routed(tmp_path / "agents", planner=HUMAN)
    script = scripts.save(tmp_path / "script.yaml", PLANNER)
    async with stack(environment.client, tmp_path / "state", script, agents=agents, policy=policy) as running:
        with environment.with_time_skipping_disabled():
            run = await running.deliver(sample(tmp_path / "sample"), check="true")
            await running.gate(run, "work-1")
            other = await running.deliver(sample(tmp_path / "other"), check="true")
            view = await running.gate(other, "work-1")
            early = await refused(running, view, made=PLAN, by="olga")
        await environment.fast_forward(other, timedelta(days=4))
        with environment.with_time_skipping_disabled():
            await running.decide(view, "answer", made=PLAN, by="olga")
            await running.decide(await running.gate(other, "plan-1"), "reject", note="enough")
        assert (await result_of(other)).state == "could_not"
        await environment.fast_forward(run, timedelta(days=4))
        await environment.fast_forward(run, timedelta(days=3))
        report = await result_of(run)
        said = await running.said(run)
    assert "'olga' may not decide here; policy allows maria" in early
    assert (report.state, "nobody did the step of planner@" in report.reason) == ("could_not", True)
    assert all(one in said for one in ("reminded of work-1", "escalated work-1 to owner", "ends the step as could_not"))
