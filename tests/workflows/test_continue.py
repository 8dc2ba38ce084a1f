"""A long run continues as new: nothing is asked or paid again, and no decision is dropped or counted twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from temporalio.client import Client, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError

from contracts.growth import Growth
from ledger import runs
from ledger.tables import decision, feed, reservation, turn
from ledger.views.work import sheet_of
from tests import scripts
from tests.activities.agentfiles import routed
from tests.scripts import a_tester, answer, could_not, edit, item, plan, read, says, summary, unsure, writer
from tests.stack import PATIENCE, QUICK, Stack, dev_server, git, held, sample, stack
from tests.workflows.test_context import past

SUGGESTED_AT = "limit.historyCount.suggestContinueAsNew=70"
"""Events after which the server suggests to continue as new; four thousand without this."""

LOOKS = 16
FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
PLANNER = says("planner", *[read("shop/pricing.py")] * LOOKS, answer(plan(item("fix", ["shop/pricing.py"]))))

Short = Callable[..., AbstractAsyncContextManager[Stack]]


@pytest.fixture(scope="module")
async def short_lived() -> AsyncIterator[Client]:
    """A client of a server that suggests to continue after a few events."""
    async with dev_server(SUGGESTED_AT) as environment:
        yield environment.client


@pytest.fixture
def start(short_lived: Client, tmp_path: Path) -> Short:
    """A worker there, whose model plays these conversations."""

    def started(*conversations: dict[str, Any], **settings: Any) -> AbstractAsyncContextManager[Stack]:
        script = scripts.save(tmp_path / "script.yaml", *conversations)
        return stack(short_lived, tmp_path / "state", script, check=QUICK, **settings)

    return started


async def runs_of(run: WorkflowHandle[Any, Any]) -> list[WorkflowHandle[Any, Any]]:
    """Every run of a chain, the first one first."""
    found = [run._client.get_workflow_handle(run.id, run_id=run.first_execution_run_id)]
    while True:
        last = (await found[-1].fetch_history()).events[-1].workflow_execution_continued_as_new_event_attributes
        if not last.new_execution_run_id:
            return found
        found.append(run._client.get_workflow_handle(run.id, run_id=last.new_execution_run_id))


async def chain_of(run: WorkflowHandle[Any, Any]) -> list[int]:
    """The events of each run of the chain, the newest last."""
    found: list[int] = []
    handle = run
    while True:
        history = await handle.fetch_history()
        found.append(len(history.events))
        following = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        if not following:
            return found
        handle = handle._client.get_workflow_handle(run.id, run_id=following)


def counts(connection: Connection) -> dict[str, int]:
    """Rows that must not grow by continuing."""
    tables = {"turns": turn, "calls": reservation, "lines": feed}
    found = {name: connection.execute(select(func.count()).select_from(table)).scalar_one() for name, table in tables.items()}
    keys = connection.execute(select(func.count(func.distinct(feed.c.key)))).scalar_one()
    return {**found, "keys": keys}


async def test_a_loop_goes_on_in_the_middle(start: Short, tmp_path: Path) -> None:
    """The planner's loop runs over several runs of the chain; every turn is paid once, and gates, children and push follow.

    A parent past its limit stays in its run until its children have ended: none of them is cut off.
    """
    origin = sample(tmp_path / "sample")
    slow = says("writer", *[read("shop/pricing.py")] * LOOKS, FIX, answer(summary()), text="Your item is `fix`")
    async with start(PLANNER, slow, a_tester()) as running:
        thinking = held(running, "writer")
        run = await running.deliver(origin, branch="fix/long")
        await running.approve(run, "plan")
        await asyncio.wait_for(thinking.asked.wait(), PATIENCE)
        for _ in range(80):
            await running.client.get_workflow_handle(run.id).signal("nothing_known", {})
        thinking.go.set()
        await running.approve(run, "change")
        report = await run.result()
        first = running.client.get_workflow_handle(run.id, run_id=run.first_execution_run_id)
        chain = await chain_of(first)
        found = await running.ledger.read(counts)
        row = await running.ledger.read(runs.find, run.id)
        histories = [await one.fetch_history() for one in await runs_of(run)]
    assert report.state == "done"
    assert len(chain) > 2
    assert found["turns"] == found["calls"] == LOOKS + 1 + LOOKS + 2 + 1
    assert found["lines"] == found["keys"]
    assert (row.trace, row.state) == (run.first_execution_run_id, "done")
    assert git(origin, "rev-parse", "fix/long") == report.commit
    with_children = [one for one in histories if _ids(one, "start_child_workflow_execution_initiated_event_attributes")]
    assert len(histories) > len(with_children) == 1
    assert len(_ids(with_children[0], "child_workflow_execution_completed_event_attributes")) == 1
    assert len(with_children[0].events) > 70 + 40


def _ids(history: WorkflowHistory, kind: str) -> list[str]:
    """The workflows that the events of one kind are about."""
    found = [getattr(event, kind) for event in history.events if event.HasField(kind)]
    return [one.workflow_id if hasattr(one, "workflow_id") else one.workflow_execution.workflow_id for one in found]


async def test_a_person_goes_on_with_a_step_in_the_next_run_of_the_chain(start: Short, tmp_path: Path) -> None:
    """Refused answers make the run so long that it continues between two of a person's: their question and its answer come
    along, the second gate is the second, and nothing that was handed in counts twice."""
    planned = answer(plan(item("fix", ["shop/pricing.py"])))["answer"]
    asks = unsure("two ways", {"id": "which", "text": "Which?"})["answer"]
    agents = routed(tmp_path / "agents", planner='[{ model = "human" }]')
    async with start(writer("fix", FIX), a_tester(), agents=agents) as running:
        run = await running.deliver(sample(tmp_path / "sample"), branch="fix/long")
        view = await running.gate(run, "work-1")
        for _ in range(LOOKS):
            with pytest.raises(WorkflowUpdateFailedError):
                await running.decide(view, "answer", made=planned | {"body": {}})
        await running.decide(view, "answer", made=asks)
        await running.decide(await running.gate(run, "clarify"), "answer", answers={"which": "the first"})
        view = await running.gate(run, "work-2")
        assert view.work is not None
        sheet = await running.ledger.read(sheet_of, running.ledger.files, view.work)
        early = await chain_of(running.client.get_workflow_handle(run.id, run_id=run.first_execution_run_id))
        await running.decide(view, "answer", made=planned)
        await running.approve(run, "plan")
        await running.approve(run, "change")
        report = await run.result()
        found = await running.ledger.read(counts)
    assert (report.state, len(early) > 1) == ("done", True)
    assert any("the first" in text for _, text in sheet.said)
    assert found["turns"] == 2 + 2 + 1
    assert found["lines"] == found["keys"]


async def test_what_let_a_large_step_go_on_decides_nothing_else(start: Short, tmp_path: Path) -> None:
    """A held planner is let on and continues as new in its loop; when an item could not be done, a person is asked anew."""
    once = says("planner", *[read("shop/pricing.py")] * 5, answer(plan(item("fix", ["shop/pricing.py"]))))
    async with start(once, writer("fix", could_not("the file is odd")), growth=Growth(context="hold")) as running:
        past(running.ledger, running.parts.catalogue.newest("planner").digest, context=10)
        run = await running.deliver(sample(tmp_path / "sample"))
        await running.approve(run, "stuck-1")
        await running.approve(run, "plan")
        stuck = await running.gate(run, "stuck")
        chain = await chain_of(running.client.get_workflow_handle(run.id, run_id=run.first_execution_run_id))
        await running.decide(stuck, "reject", note="then not")
        report = await run.result()
    assert len(chain) == 2
    assert "the file is odd" in " ".join(stuck.facts)
    assert report.state == "could_not"


async def test_decisions_around_it_are_neither_dropped_nor_doubled(start: Short, tmp_path: Path) -> None:
    """Early rejects before, while and after the run continues: one counts at its gate, each other is refused once."""
    origin = sample(tmp_path / "sample")
    sent = 15
    async with start(PLANNER, writer("fix", FIX), a_tester()) as running:
        run = await running.deliver(origin)
        latest = running.client.get_workflow_handle(run.id)
        for number in range(sent):
            await latest.signal(
                "reject", {"gate": "plan-1", "by": f"p{number}", "note": f"no {number}", "nonce": f"n-{number}"}
            )
            await asyncio.sleep(0.1)  # spread over the loop; nothing is waited for
        report = await run.result()
        chain = await chain_of(running.client.get_workflow_handle(run.id, run_id=run.first_execution_run_id))
        rows = await running.ledger.read(
            lambda connection: connection.execute(select(decision.c.by, decision.c.outcome).order_by(decision.c.at)).all()
        )
    assert report.state == "could_not"
    assert len(chain) > 1
    assert sorted(row.by for row in rows) == sorted(f"p{number}" for number in range(sent))
    assert [row.outcome for row in rows].count("won") == 1


async def test_it_waits_while_a_gate_is_open(start: Short, tmp_path: Path) -> None:
    """A run that is past the limit stays in its run while a person is asked, and takes what they say."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER, writer("fix", FIX), a_tester()) as running:
        run = await running.deliver(origin)
        view = await running.gate(run, "plan")
        before = (await running.client.get_workflow_handle(run.id).describe()).run_id
        for _ in range(30):
            await running.client.get_workflow_handle(run.id).signal("nothing_known", {})
        await running.decide(view)
        history = await running.client.get_workflow_handle(run.id, run_id=before).fetch_history()
        won = await running.ledger.read(
            lambda connection: connection.execute(select(decision.c.by).where(decision.c.outcome == "won")).scalars().all()
        )
        await running.client.get_workflow_handle(run.id).cancel()
    assert any(event.workflow_execution_update_completed_event_attributes.accepted_event_id for event in history.events)
    assert list(won) == ["maria"]
