"""What a run that continues as new takes along: decisions, large results, its story; and what nobody else may hand it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)

from contracts.carried import Mail
from contracts.gates import GateView
from ledger.tables import decision
from tests.depth import deep
from tests.replay.test_saved import replayer
from tests.scripts import answer, item, plan, read, says, unsure
from tests.stack import Stack, sample
from tests.workflows.test_continue import FIX, PLANNER, Short, runs_of, short_lived, start
from workflows.delivery import writing
from workflows.kit import memory
from workflows.kit.inbox import Inbox

__all__ = ["short_lived", "start"]  # fixtures

LONG = [read("shop/pricing.py")] * 12
ITEM = item("fix", ["shop/pricing.py"])
WHICH = {"id": "which", "text": "Which one?"}
ANSWER = {"verb": "answer", "answers": {"which": "the second"}}


def said(connection: Connection) -> list[tuple[str, str, str]]:
    """Everything that people said, in order."""
    rows = connection.execute(select(decision.c.gate, decision.c.by, decision.c.outcome).order_by(decision.c.at)).all()
    return [(row.gate, row.by, row.outcome) for row in rows]


async def _rejected_early(stack: Stack, origin: Path) -> WorkflowHandle[Any, Any]:
    """A planner that works for several runs of a chain, and two people who reject before it has a plan."""
    run = await stack.deliver(origin)
    for by in ("ann", "bob"):
        handle = stack.client.get_workflow_handle(run.id)
        kept = {"gate": "plan-1", "by": by, "note": "no", "nonce": f"n-{by}"}
        assert (await handle.execute_update("reject", kept, id=f"u-{by}"))["kept"]
    return run


async def test_kept_decisions_travel_along(start: Short, tmp_path: Path) -> None:
    """Of two that came before the gate one counts and the other is refused, runs later."""
    async with start(PLANNER) as stack:
        run = await _rejected_early(stack, sample(tmp_path / "sample"))
        assert (await run.result()).state == "could_not"
        made, chain = await stack.ledger.read(said), await runs_of(run)
    assert len(chain) > 1
    assert made == [("plan-1", "ann", "won"), ("plan-1", "bob", "refused")]


@deep("tests/workflows/test_chain.py::test_kept_decisions_travel_along")
async def test_decisions_left_behind_are_noticed(start: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: where the inbox does not travel along, whoever comes to the open gate decides."""
    monkeypatch.setattr(Inbox, "mail", lambda _: Mail())
    async with start(PLANNER, workflow_sandbox=False) as stack:
        run = await _rejected_early(stack, sample(tmp_path / "sample"))
        await stack.decide(await stack.gate(run, "plan-1"), "reject", by="late", note="no")
        await run.result()
        made = await stack.ledger.read(said)
    assert made == [("plan-1", "late", "won")]


async def test_a_nonce_makes_two_peoples_decisions_not_one(start: Short, tmp_path: Path) -> None:
    """In a later run of the chain: another verb or sender wins nothing with the nonce of what counted, or of what was kept.

    Temporal knows update ids within one run only: sent again, the run knows the decision, says the same, records nothing more.
    """
    second = says("planner", *LONG, answer(plan(ITEM, summary="smaller")), text="say less")
    async with start(second, PLANNER) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "plan-1")
        handle = stack.client.get_workflow_handle(run.id)
        early = {"gate": "change", "by": "ann", "note": "no", "nonce": "n-0"}
        asked = {"gate": view.gate, "by": "ann", "note": "say less", "subject": view.subject, "nonce": "n-1"}
        await handle.execute_update("reject", early)
        first = await handle.execute_update("request_changes", asked, id="u-1")
        again_at = await stack.gate(run, "plan-2")
        again = await handle.execute_update("request_changes", asked, id="u-1")
        for by in ("ann", "bob"):
            await handle.execute_update("reject", early | {"by": by})
        for verb, other in (("reject", asked), ("request_changes", asked | {"by": "bob"})):
            with pytest.raises(WorkflowUpdateFailedError) as told:
                await handle.execute_update(verb, other)
            assert "gate plan-1 is closed: request_changes by ann at " in str(told.value.cause)
            await handle.signal(verb, other)
        await stack.decide(again_at, "reject", note="enough")
        await run.result()
        made, chain = await stack.ledger.read(said), await runs_of(run)
    assert len(chain) > 1
    assert (first["verb"], first["by"], first["at"]) == (again["verb"], again["by"], again["at"])
    assert [one for one in made if one[2] == "won"] == [("plan-1", "ann", "won"), ("plan-2", "maria", "won")]
    assert sorted(one[:2] for one in made if one[2] == "refused") == [
        *(("change", by) for by in ("ann", "bob")),
        *(("plan-1", by) for by in ("ann", "ann", "bob", "bob")),
    ]


async def test_large_results_travel_by_digest(start: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room for results in the input, each is put into the artifact store and read back where its step is; questions
    that were answered are not asked again, every run of the chain replays, and the query `feed` still tells the beginning."""
    monkeypatch.setattr(memory, "INLINE", 0)
    asks = says("planner", *LONG, unsure("two ways", WHICH), *LONG, answer(plan(ITEM)))
    async with start(asks, workflow_sandbox=False) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.decide(await stack.gate(run, "clarify-1"), **ANSWER)
        view = await stack.gate(run, "plan-1")
        told = await stack.client.get_workflow_handle(run.id).query("feed")
        await stack.decide(view, "reject", note="enough")
        await run.result()
        made, chain = await stack.ledger.read(said), await runs_of(run)
        histories = [await one.fetch_history() for one in chain]
    assert [one[0] for one in made] == ["clarify-1", "plan-1"]
    assert len(chain) > 3
    carried = [
        json.loads(one.events[0].workflow_execution_started_event_attributes.input.payloads[0].data) for one in histories
    ]
    results = [result for one in carried[1:] for result in one["carried"]["finished"]]
    assert [one for one in results if one["result"] or not one["artifact"]] == []
    assert told[0]["did"].startswith("fetched ")
    for history in histories:
        replayed = await replayer().replay_workflow(history, raise_on_replay_failure=False)
        assert replayed.replay_failure is None


async def _first_act(run: WorkflowHandle[Any, Any]) -> int | None:
    """The first event that is not just the start and its task."""
    usual = {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    }
    async for event in run.fetch_history_events(wait_new_event=True):
        if event.event_type not in usual:
            return event.event_type
    return None


async def test_nobody_hands_a_run_what_runs_hand_themselves(start: Short, tmp_path: Path) -> None:
    """A start with `carried` is refused: finished steps, pins and decisions would be whatever it says."""
    began = {"owner": "x", "ceiling_micros": 1, "policy_digest": "0" * 64, "agents": {}, "gates": {}}
    async with start(PLANNER) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), carried={"began": began, "mail": {}, "next": ""})
        assert await _first_act(run) == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
        with pytest.raises(WorkflowFailureError) as refused:
            await run.result()
    assert "`carried` is set only when a run continues as new" in str(refused.value.cause)


async def _at_its_deadline(start: Short, folder: Path, deadline: timedelta) -> tuple[WorkflowExecutionDescription, GateView]:
    """The child of a delivery whose writer never comes to an end, after its deadline, and what the delivery asks then."""
    planner = says("planner", answer(plan(ITEM)))
    # Long enough to continue as new; then a call that outlasts every deadline here.
    endless = says("writer", *LONG, *LONG, FIX | {"delay_ms": 120_000}, text="Your item is `fix`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "CHILD_DEADLINE", deadline)
        async with start(planner, endless, workflow_sandbox=False) as stack:
            run = await stack.deliver(sample(folder))
            await stack.approve(run, "plan")
            view = await stack.gate(run, "stuck-1")
            last = await stack.client.get_workflow_handle(f"{run.id}.write.1.fix").describe()
            await stack.decide(view, "reject", note="enough")
            await run.result()
    return last, view


async def test_a_childs_deadline_covers_its_chain(start: Short, tmp_path: Path) -> None:
    """A writer that never comes to an end continues as new, and is ended at the time that its first run was given."""
    for seconds in (6, 18, 54):  # more where the machine needs longer until the child continues for the first time
        last, view = await _at_its_deadline(start, tmp_path / f"{seconds}", timedelta(seconds=seconds))
        if continued := last.raw_description.workflow_execution_info.first_run_id != last.run_id:
            break
    assert continued
    given = timedelta(seconds=seconds)
    assert f"fix is could_not: the child workflow did not answer within its deadline of {given}" in view.facts[0]
