"""Runs whose work came from something condemned: they ask at a gate `held` before they use it or act on it."""

from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.worker import Replayer

from activities.gates import condemning
from activities.gates.policy import load_policy
from contracts.base import sha256
from contracts.delivery.writing import WriteTask
from contracts.gates import GateView
from converter import DATA_CONVERTER
from ledger import actions, gate_actions, gates, runs
from ledger.views.condemned import standings
from tests.scripts import a_tester, answer, edit, item, plan, read, says, summary, writer
from tests.stack import Stack, git, sample, until
from tests.workflows.asking import ITEM, AskOnce
from tests.workflows.conftest import Ask, Start
from tests.workflows.performing import Performing, Run, performing
from tests.workflows.test_hand_over import relayed
from workflow_runner import workflow_runner
from workflows.guard import Guard

SHIPPED = load_policy(Path("policy.toml"))
TASK = sha256(WriteTask(item=ITEM, instruction="Fix it", plan_summary="one item").stored())
DONE = answer(summary())


async def condemn(stack: Stack, *things: str) -> str:
    """Condemn these things; the condemnation's id. No run is told."""
    done = await stack.ledger.tx(condemning.condemn, SHIPPED, things, "the price list", "maria", "it was an old one")
    return done.standing.condemnation.id


async def undo(stack: Stack, id: str) -> None:
    """Take it back. No run is told."""
    await stack.ledger.tx(condemning.undo, SHIPPED, id, "maria", "it was the right one")


async def state(stack: Stack, run: str) -> tuple[str, str]:
    """State of a run's row, and what it waits for."""
    row = await stack.ledger.read(runs.find, run)
    return row.state, row.waiting_for


async def test_a_step_is_held_before_its_model_is_asked_and_goes_on_with_a_note(asking: Ask) -> None:
    """Nothing was paid until a person let it; an approval without a reason is refused, and all of it replays."""
    async with asking(DONE) as made:
        id = await condemn(made.stack, TASK)
        run = await made.start()
        view = await made.stack.gate(run, "held-1")
        assert await state(made.stack, run.id) == ("held", "held-1")
        assert f"the price list: condemned by maria ({id}): it was an old one" in view.facts
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await made.stack.decide(view)
        assert "approve needs a note that says why" in str(refused.value.cause)
        await made.stack.decide(view, note="the task itself is right")
        ended = await made.ended(run)
        [standing] = await made.stack.ledger.read(lambda c: standings(c, {}, everything=True))
    assert (ended.handoff.outcome, len(ended.turns)) == ("done", 1)
    assert standing.state == "settled"
    replayer = Replayer(
        workflows=[AskOnce],
        data_converter=DATA_CONVERTER,
        interceptors=[Guard()],
        workflow_runner=workflow_runner(sandboxed=True),
    )
    await replayer.replay_workflow(ended.history)


async def test_a_run_that_is_not_let_on_stops(asking: Ask) -> None:
    """Its model is never asked; the reason says who stopped it, and because of what."""
    async with asking(DONE) as made:
        await condemn(made.stack, TASK)
        run = await made.start()
        await made.stack.decide(await made.stack.gate(run, "held"), "reject", note="start again with the new list")
        with pytest.raises(WorkflowFailureError) as ended:
            await run.result()
        assert "stopped at held-1 (reject by maria: start again with the new list)" in str(ended.value.cause)
        assert "call_model" in [one.activity_type.name for one in _scheduled(await run.fetch_history())]
        assert not any(line.tokens for line in await made.stack.feed(run))


def _scheduled(history: object) -> list[object]:
    events = history.events  # type: ignore[attr-defined]
    return [one.activity_task_scheduled_event_attributes for one in events]


async def test_a_condemned_reply_is_not_said_again(asking: Ask) -> None:
    """The second run would have got it from the cache: its model is asked anew, and the reply is its own."""
    async with asking(DONE, agent={"cache": "PT24H"}) as made:
        first = await made.ended(await made.start())
        id = await condemn(made.stack, first.turns[0].id)
        second = await made.ended(await made.start())
        await undo(made.stack, id)
        third = await made.ended(await made.start())
    assert [one.handoff.producer.cached for one in (first, second, third)] == [False, False, True]


async def test_a_gate_that_shows_it_cannot_be_approved_until_the_run_was_let_on(client: Client, tmp_path: Path) -> None:
    """The run was told by nobody: the refused approval itself has it ask. Undone and told, the gate closes by itself."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        stack = performed.stack
        run = await performed.start(shown="hello")
        view = await stack.gate(run, "change-1")
        first = await condemn(stack, f"{view.trace}/change-1")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stack.decide(view)
        assert f"what this gate shows came from something condemned: the price list: condemned by maria ({first})" in str(
            refused.value.cause
        )
        assert (await stack.gate(run, "held-1")).condemned == (first,)
        await undo(stack, first)
        await run.signal("condemned", {})
        await _closed(stack, run, "held-1")
        second = await condemn(stack, f"{view.trace}/change-1")
        await run.signal("condemned", {})
        held = await stack.gate(run, "held-2")
        assert held.condemned == (second,)
        await stack.decide(held, note="it is a test")
        await stack.decide(view)
        report = await run.result()
        assert [one.state for one in report.receipts] == ["delivered"]
        told = await stack.said(run)
    assert "closed gate held-1: released | what keeps the run is looked at again" in told
    assert "tried to approve at change-1 and was refused" in told


async def _closed(stack: Stack, run: Run, name: str) -> None:
    async def closed() -> bool | None:
        views = await stack.ledger.read(gates.open_gates)
        return None if any((view.workflow_id, view.gate) == (run.id, name) for view in views) else True

    await until(closed, f"{name} closed")


async def test_what_was_approved_is_not_done_while_it_is_held(client: Client, tmp_path: Path) -> None:
    """The action alone is condemned: its gate is approved, and the run asks before it acts. Nobody answers: nothing is done."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run, view = await _at_change(performed)
        [intent] = await performed.stack.ledger.read(gate_actions.intents, view.trace, "change-1")
        await condemn(performed.stack, intent.key)
        await performed.stack.decide(view)
        held = await performed.stack.gate(run, "held-1")
        assert await performed.outbox() == [("change-1", "held", 0)]
        assert await performed.notes() == []
        await performed.stack.decide(held, note="it is right")
        report = await run.result()
        assert [one.state for one in report.receipts] == ["delivered"]
        assert len(await performed.notes()) == 1


async def test_a_run_that_is_stopped_takes_back_what_was_approved(client: Client, tmp_path: Path) -> None:
    """Rejected at its gate held: the action is withdrawn with the run, also if the condemnation is undone afterwards."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run, view = await _at_change(performed)
        [intent] = await performed.stack.ledger.read(gate_actions.intents, view.trace, "change-1")
        id = await condemn(performed.stack, intent.key)
        await performed.stack.decide(view)
        await performed.stack.decide(await performed.stack.gate(run, "held-1"), "reject", note="wrong")
        report = await run.result()
        assert report.state == "could_not"
        assert "stopped at held-1 (reject by maria: wrong)" in report.reason
        await undo(performed.stack, id)
        await relayed(performed)
        assert await performed.outbox() == [("change-1", "expired", 0)]
        assert await performed.notes() == []


async def _at_change(performed: Performing) -> tuple[Run, GateView]:
    run = await performed.start(shown="hello")
    return run, await performed.stack.gate(run, "change-1")


async def test_the_relay_sends_nothing_that_is_held(client: Client, tmp_path: Path) -> None:
    """The run has left its actions behind: of two the condemned one waits, keeps the other from nothing, and goes on undone."""
    async with performing(client, tmp_path, tier="auto") as performed:
        stack = performed.stack
        run = await performed.start(texts=["one", "two"], wait=False)
        await run.result()
        rows = await stack.ledger.read(lambda c: actions.of_trace(c, run.first_execution_run_id or ""))
        one = next(row for row in rows if row.summary == "note one")
        id = await condemn(stack, one.key)
        await relayed(performed)
        await relayed(performed)
        assert await performed.notes() == ["note two: two"]
        assert (await stack.said(run)).count("held: note one") == 1
        after = await stack.ledger.tx(condemning.settle, SHIPPED, id, one.key, "goes_on", "olga", "it is right")
        assert after.reach.pending == ()
        await relayed(performed)
        assert sorted(await performed.notes()) == ["note one: one", "note two: two"]


async def _is_held(stack: Stack, run: Run) -> bool | None:
    return True if (await state(stack, run.id))[0] == "held" else None


async def test_a_child_asks_for_itself(start: Start, tmp_path: Path) -> None:
    """What its writer has read is condemned: it asks before its next call. Let on, the whole run is, and its gates say so."""
    origin = sample(tmp_path / "sample")
    fix = edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")
    planner = says("planner", answer(plan(item("fix", ["README.md"]))))
    async with start(planner, writer("fix", read("README.md"), fix), a_tester(), check="true") as stack:
        await condemn(stack, sha256((tmp_path / "sample" / "work" / "README.md").read_bytes()))
        run = await stack.deliver(origin, branch="clearer")
        await stack.approve(run, "plan-1")
        view = await stack.gate(run, "held")
        assert view.gate.endswith(".held-1")
        await until(lambda: _is_held(stack, run), "the whole run is shown as held")
        await stack.decide(view, note="the file is right")
        change = await stack.approve(run, "change-1")
        report = await run.result()
        [standing] = await stack.ledger.read(lambda c: standings(c, {}, everything=True))
    assert any(fact.startswith("came from the price list: condemned by maria") for fact in change.facts)
    assert report.state == "done"
    assert "always" in git(origin, "show", "clearer:README.md")
    assert [(one.certain, one.went_on) for one in standing.reach.executed] == [(True, True)]
    assert standing.state == "settled"
