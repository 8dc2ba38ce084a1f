"""A run that is let in by its first model call: admitted once, refused with a reason, and found by its request key."""

from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from contracts.ids import turn_key
from ledger.tables import feed, reservation, run, turn
from tests.scripts import answer, call, calls, summary
from tests.workflows.asked import Asking
from tests.workflows.conftest import Ask

DONE = answer(summary("did it"))
LOOK = calls(call("run_state"))


async def first(made: Asking, **more: Any) -> WorkflowHandle[Any, str]:
    """Start a run whose first step is the agent's."""
    asked = {"repository": "none", "instruction": "Fix it", "owner": "olga"} | more
    return await made.stack.client.start_workflow(
        "AskFirst", asked, id=f"first-{more.get('request_key', 'one')}-{id(asked)}", task_queue=made.queue, result_type=str
    )


def count(connection: Connection, table: Any) -> int:
    """Rows of a table."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


async def test_the_first_call_lets_the_run_in(asking: Ask) -> None:
    """Row, pins, ceiling and the first feed line are there without an activity of their own, and later turns go by them."""
    async with asking(LOOK, DONE) as made:
        started = await first(made)
        assert await started.result() == "did it"
        history = await started.fetch_history()
        row = await made.stack.ledger.read(lambda c: c.execute(select(run)).one())
        said = await made.stack.ledger.read(lambda c: c.execute(select(feed.c.did).order_by(feed.c.seq)).scalars().all())
        turns = await made.stack.ledger.read(lambda c: c.execute(select(turn).order_by(turn.c.at)).all())
    names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    assert [name for name in names if name] == ["call_model", "run_tool", "call_model"]
    assert (row.owner, row.state, row.workflow_id) == ("olga", "done", started.id)
    assert said[0] == "admitted the run for olga"
    assert said.count(said[0]) == 1
    assert turns[1].parent == turns[0].id
    assert turns[0].id == turn_key(row.trace, "ask", "", turns[0].agent_digest, turns[0].task)


async def test_a_second_run_with_the_same_request_ends_as_its_duplicate(asking: Ask) -> None:
    """It is told which run has the request, pays for nothing and holds nothing."""
    async with asking(DONE, DONE) as made:
        one = await first(made, request_key="r-1")
        assert await one.result() == "did it"
        other = await first(made, request_key="r-1")
        assert await other.result() == f"given before: {one.id}"
        counts = [await made.stack.ledger.read(count, table) for table in (run, turn, reservation)]
    assert counts == [1, 1, 1]


async def test_a_run_that_cannot_be_let_in_fails_with_the_reason(asking: Ask) -> None:
    """An agent that is not there: no row, no turn, no retries, and a text that says what there is."""
    async with asking(DONE) as made:
        started = await first(made, branch="nobody")
        with pytest.raises(WorkflowFailureError) as failed:
            await started.result()
        counts = [await made.stack.ledger.read(count, table) for table in (run, turn, reservation)]
    assert isinstance(failed.value.cause, ApplicationError)
    assert "there is no agent 'nobody'; there are: helper" in failed.value.cause.message
    assert counts == [0, 0, 0]


async def test_a_call_that_failed_after_it_let_the_run_in_is_made_again(asking: Ask) -> None:
    """The provider fails at first: the run stays admitted once, and the second attempt's answer counts."""
    async with asking({"error": "overloaded"}, DONE) as made:
        started = await first(made)
        assert await started.result() == "did it"
        said = await made.stack.ledger.read(lambda c: c.execute(select(feed.c.did)).scalars().all())
        counts = [await made.stack.ledger.read(count, table) for table in (run, turn, reservation)]
    assert said.count("admitted the run for olga") == 1
    assert counts == [1, 1, 2]
