"""A run's row, its query and its search attributes say the same, the newest, and speak for the whole family."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError

from ledger import runs
from ledger.tables import turn
from tests import scripts
from tests.agreement import agreed, left, said
from tests.replay.save import models_of
from tests.replay.scenarios import row_is, without_room
from tests.scripts import a_tester, answer, edit, item, plan, says, summary, unsure, writer
from tests.stack import PATIENCE, held, result_of, sample, stack, until
from tests.workflows.conftest import Start
from tests.workflows.reviewing import ANALYST, HOLES, WHOLE, change, finding, findings, review

OLD = "    return int(cents * (100 - percent) / 100)\n"
FIX = edit("shop/pricing.py", OLD, "    return (cents * (100 - percent) + 50) // 100\n")
PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
WHICH = {"id": "which", "text": "Up or down?"}
TWO = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), item("say", ["README.md"]))))
SAY = edit("README.md", "# ", "# The ")


async def test_a_run_says_what_it_does_at_every_moment(start: Start, tmp_path: Path) -> None:
    """What a long activity carries is committed before its work: the row says `plan` while it is planned. Paused while its
    model thinks, and at a gate that opens meanwhile, it is paused everywhere; resumed, it waits at that gate. While the
    writers' models think, no activity of the root ends: the row says all the same that nobody has to decide."""
    async with start(PLANNER, writer("fix", FIX), a_tester(), check=None) as stack:
        thinking = held(stack, "planner")
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await asyncio.wait_for(thinking.asked.wait(), PATIENCE)
        planned = await stack.ledger.read(runs.find, run.id)
        await run.execute_update("pause", {})
        await agreed(stack.ledger, run, "paused")
        thinking.go.set()
        await run.execute_update("resume", {})
        view = await stack.gate(run, "plan")
        await agreed(stack.ledger, run, "waiting")
        await run.execute_update("pause", {})
        assert (await agreed(stack.ledger, run, "paused")).needs_human
        await run.execute_update("resume", {})
        again = await agreed(stack.ledger, run, "waiting")
        writing = held(stack, "writer")
        await stack.decide(view)
        await asyncio.wait_for(writing.asked.wait(), PATIENCE)
        shown = await agreed(stack.ledger, run, "working")
        row = await stack.ledger.read(runs.find, run.id)
        writing.go.set()
        await stack.decide(await stack.gate(run, "change"), "reject", note="seen enough")
        await result_of(run)
        ended = await agreed(stack.ledger, run, "could_not")
    assert (planned.state, planned.stage) == ("working", "plan")
    assert again.row == ("waiting", "plan-1")
    assert (shown.needs_human, row.waiting_for, row.stage) == (False, "", "write")
    assert not ended.needs_human


async def test_a_childs_question_is_the_runs(start: Start, tmp_path: Path) -> None:
    """The root says that it waits, for what, and how to answer; a decision that is sent to the root is told where to go."""
    async with start(
        PLANNER, writer("fix", unsure("both are possible", WHICH), FIX, answer(summary())), a_tester(), check=None
    ) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await stack.approve(run, "plan")
        view = await stack.gate(run, "clarify")
        waits = await agreed(stack.ledger, run, "waiting")
        status = await run.query("status")
        refused = await _refusal(run, view.kind)
        child = stack.client.get_workflow_handle(status["waiting_for"]["workflow_id"])
        await child.execute_update("answer", {"gate": status["waiting_for"]["gate"], "by": "olga", "answers": {"which": "up"}})
        await stack.gate(run, "change")
        decided = await agreed(stack.ledger, run, "waiting")
        await stack.approve(run, "change")
        assert (await result_of(run)).state == "done"
    assert waits.row == ("waiting", view.gate)
    assert status["waiting_for"]["questions"][0]["text"] == "Up or down?"
    assert f"gate {view.gate} is open in the child workflow {view.workflow_id}" in refused
    assert decided.row == ("waiting", "change-1")


async def _refusal(run: WorkflowHandle[Any, Any], gate: str) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.execute_update("answer", {"gate": gate, "by": "olga", "answers": {"which": "up"}})
    return str(refused.value.__cause__)


async def test_two_children_ask_and_one_is_answered(start: Start, tmp_path: Path) -> None:
    """The run needs a person until the last of them is answered, and names one that is really open. Whoever cancels it while
    that child asks gets no further gate."""
    ask = unsure("both are possible", WHICH)
    script = (TWO, writer("fix", ask, FIX), writer("say", ask, SAY))
    async with start(*script, check=None) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await stack.approve(run, "plan")
        first = await stack.gate(run, "write.1.fix.clarify-1")
        second = await stack.gate(run, "write.1.say.clarify-1")

        async def both() -> bool | None:
            shown = await said(stack.ledger, run)
            return True if shown.agree and len(shown.open_gates) == 2 else None

        await until(both, "both are open and all agree")
        await stack.decide(first, "answer", answers={"which": "up"})

        async def one() -> bool | None:
            shown = await said(stack.ledger, run)
            return True if shown.agree and shown.row == ("waiting", second.gate) else None

        await until(one, "the run waits at the other one")
        await run.cancel()
        await until(lambda: row_is(stack, run, "cancelled"), "the run was cancelled")
        ended = await agreed(stack.ledger, run, "cancelled")
    assert ended.open_gates == ()


async def test_a_childs_ceiling_is_the_runs(client: Client, tmp_path: Path) -> None:
    """A writer that finds no money parks its run, for ledger, query and search attributes alike, until it has some."""
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX), a_tester())
    async with models_of(tmp_path, script, paid=True) as models, stack(client, tmp_path / "state", **models) as running:
        run = await running.deliver(sample(tmp_path / "sample"), check="true")
        await without_room(running, await running.gate(run, "plan"))
        view = await running.gate(run, "ceiling")
        parked = await agreed(running.ledger, run, "parked")
        await running.decide(view, "raise_ceiling", to_usd="30")
        await running.approve(run, "change")
        assert (await result_of(run)).state == "done"
        await agreed(running.ledger, run, "done")
    assert (parked.row, parked.open_gates) == (("parked", "ceiling-1"), ("ceiling-1",))


async def test_a_child_that_is_cancelled_alone_could_not(start: Start, tmp_path: Path) -> None:
    """Cancelled in Temporal, as by its Web UI: the item is not done, a person is asked, and the run goes on with the other."""
    async with start(TWO, writer("fix", FIX), writer("say", unsure("which?", WHICH)), a_tester(), check=None) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await stack.approve(run, "plan")
        asked = await stack.gate(run, "write.1.say.clarify-1")
        await stack.client.get_workflow_handle(asked.workflow_id).cancel()
        stuck = await stack.gate(run, "stuck")
        waits = await agreed(stack.ledger, run, "waiting")
        await stack.decide(stuck, "approve")
        await stack.approve(run, "change")
        report = await result_of(run)
    assert waits.row == ("waiting", "stuck-1")
    assert any("say is could_not" in fact and "was cancelled, alone, in Temporal" in fact for fact in stuck.facts)
    assert report.state == "done"


async def test_children_that_are_cancelled_while_they_work_could_not(start: Start, tmp_path: Path) -> None:
    """Both, while one's model thinks and the run is paused: no money stays held, and once it goes on a person is asked once."""
    async with start(TWO, writer("fix", FIX), writer("say", unsure("which?", WHICH)), a_tester(), check=None) as stack:
        thinking = held(stack, "writer")
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await stack.approve(run, "plan")
        await asyncio.wait_for(thinking.asked.wait(), PATIENCE)
        children = [f"{run.id}.write.1.{name}" for name in ("fix", "say")]

        async def both_run() -> bool | None:
            there = [one.id async for one in stack.client.list_workflows(f"WorkflowId STARTS_WITH '{run.id}.'")]
            return True if set(there) >= set(children) else None

        await until(both_run, "both children run")
        await run.execute_update("pause", {})
        await agreed(stack.ledger, run, "paused")
        for child in children:
            await stack.client.get_workflow_handle(child).cancel()
        thinking.go.set()
        for child in children:
            with pytest.raises(WorkflowFailureError):
                await asyncio.wait_for(stack.client.get_workflow_handle(child).result(), PATIENCE)
        await agreed(stack.ledger, run, "paused")
        await run.execute_update("resume", {})
        stuck = await stack.gate(run, "stuck")
        await agreed(stack.ledger, run, "waiting")
        row = await stack.ledger.read(runs.find, run.id)
        await stack.decide(stuck, "reject", note="not today")
        assert (await result_of(run)).state == "could_not"
        assert await stack.ledger.read(left, row.trace) == []
    said = " ".join(stuck.facts)
    assert all(f"{child} was cancelled, alone, in Temporal" in said for child in children), stuck.facts


async def test_an_agent_that_thinks_long_does_not_hide_a_question(start: Start, tmp_path: Path) -> None:
    """Two agents side by side: one asks, and the other's call, which began before, ends after: the run still waits.

    It is paused by a plain signal in between, and the second call's end does not have it work again.
    """
    ask = unsure("both are possible", WHICH)
    bugs = says("bug_reviewer", ask, findings(finding("Half a cent is cut off.")))
    async with start(ANALYST, bugs, HOLES, WHOLE, check=None) as stack:
        thinking = held(stack, "security_reviewer")
        run = await review(stack, change(tmp_path / "sample")[0], head="odd")
        await asyncio.wait_for(thinking.asked.wait(), PATIENCE)
        view = await stack.gate(run, "clarify")
        assert (await agreed(stack.ledger, run, "waiting")).row == ("waiting", view.gate)
        await run.signal("pause", {})
        await agreed(stack.ledger, run, "paused")
        thinking.go.set()

        async def answered() -> bool | None:
            return True if await stack.ledger.read(_turns, "security_reviewer") else None

        await until(answered, "the other one's answer is on record")
        await agreed(stack.ledger, run, "paused")
        await run.signal("resume", {})
        assert (await agreed(stack.ledger, run, "waiting")).row == ("waiting", view.gate)
        await stack.decide(view, "answer", answers={"which": "up"})
        assert (await result_of(run)).state == "done"
        await agreed(stack.ledger, run, "done")


def _turns(connection: Connection, agent: str) -> int:
    query = select(func.count()).select_from(turn).where(turn.c.agent.startswith(agent))
    return int(connection.execute(query).scalar_one())
