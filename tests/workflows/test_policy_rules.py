"""Rules, rates and four eyes in a run: three tiers in one, two different people, and what is over its rate."""

import asyncio
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError

from contracts.gates import GateView
from tests.stack import result_of, until
from tests.workflows.performing import Performing, Run, performing
from tests.workflows.performs import PerformReport

RULES = """
[[rules]]
name = "asked"
why = "two people look at these"
action = "note"
when = [{ field = "arguments.name", is = "matches", value = "ask*" }]
tier = "confirm"
approvals = 2
requester_may_approve = false

[[rules]]
name = "left to people"
why = "nobody but a person does these"
action = "note"
when = [{ field = "arguments.name", is = "matches", value = "leave*" }, { field = "risk", is = "at_most", value = "low" }]
tier = "draft"
"""


async def said(performed: Performing, view: GateView, by: str, **more: Any) -> dict[str, Any] | str:
    """The answer to an approval, or why it was refused."""
    try:
        return await performed.stack.decide(view, "approve", by, **more)
    except WorkflowUpdateFailedError as error:
        return str(error.cause)


async def receipts(run: Run) -> list[tuple[str, str]]:
    """State and summary of each action."""
    report: PerformReport = await result_of(run)
    assert report.state == "done", report.reason
    return [(one.state, one.summary) for one in report.receipts]


async def shown(performed: Performing, run: Run, by: tuple[str, ...]) -> GateView:
    """The gate once the ledger shows that these people have approved it."""

    async def look() -> GateView | None:
        view = await performed.stack.gate(run, "action")
        return view if view.approved_by == by else None

    return await until(look, f"{by} have approved")


async def test_three_tiers_in_one_run_and_two_people_for_one_of_them(client: Client, tmp_path: Path) -> None:
    """One note is written by itself, one takes two different people whoever sends what at once, one is left to a person."""
    async with performing(client, tmp_path, tier="auto", rules=RULES) as performed:
        run = await performed.start(texts=["by itself", "ask two", "leave it"])
        view = await performed.stack.gate(run, "action-1")
        assert (view.approvals, view.so_far, view.risk.partition(":")[0]) == (2, "0 of 2 approvals", "low")
        assert "policy: rule asked: two people look at these" in view.facts
        # Two sessions of one person, and whoever asked for the run, at the same moment.
        answers = await asyncio.gather(*(said(performed, view, by) for by in ("maria", "olga", " Maria ")))
        counted = [one for one in answers if isinstance(one, dict)]
        assert [(one["won"], one.get("counts"), len(one["approved_by"])) for one in counted] == [(False, True, 1)]
        assert sum("may not approve it" in one for one in answers if isinstance(one, str)) == 1
        assert sum("has said approve here already" in one for one in answers if isinstance(one, str)) == 1
        first = tuple(counted[0]["approved_by"])
        await shown(performed, run, first)
        status = await run.query("status")
        assert tuple(status["waiting_for"]["approved_by"]) == first
        assert "1 of 2 approvals" in status["next"] or status["waiting_for"]["approvals"] == 2
        assert [state for _, state, _ in await performed.outbox()] == ["delivered"]
        await performed.stack.client.get_workflow_handle(run.id).signal(
            "approve", {"gate": "action-1", "by": "otto", "subject": view.subject}
        )
        draft = await performed.stack.gate(run, "draft-1")
        assert "policy: rule left to people: nobody but a person does these" in draft.facts
        await performed.stack.decide(draft, "done", note="written down")
        assert await receipts(run) == [
            ("delivered", "note by itself"),
            ("delivered", "note ask two"),
            ("done_by_person", "note leave it"),
        ]
        story = await performed.stack.said(run)
        assert f"approve at action-1 (1 of 2: {first[0]})" in story
        assert f"approve at action-1 (2 of 2: {first[0]}, otto)" in story


async def test_of_two_people_who_approve_at_once_both_are_heard(client: Client, tmp_path: Path) -> None:
    """Neither is told that the other one was first; a third one comes too late, and one no is enough for the next."""
    async with performing(client, tmp_path, tier="auto", rules=RULES) as performed:
        run = await performed.start(texts=["ask one", "ask another"])
        view = await performed.stack.gate(run, "action-1")
        answers = await asyncio.gather(*(said(performed, view, by) for by in ("maria", "otto", "petra")))
        won = [one for one in answers if isinstance(one, dict)]
        assert sorted(one["won"] for one in won) == [False, True], answers
        assert [one for one in answers if isinstance(one, str) and "closed" in one], answers
        second = await performed.stack.gate(run, "action-2")
        assert isinstance(await said(performed, second, "maria"), dict)
        await performed.stack.decide(second, "reject", "petra", note="no")
        assert [state for state, _ in await receipts(run)] == ["delivered", "rejected"]


async def test_what_is_over_its_rate_asks(client: Client, tmp_path: Path) -> None:
    """The first note of a project is written, the second asks a person, who sees why."""
    rate = 'rate = { most = 1, per = "P1D" }'
    async with performing(client, tmp_path, tier="auto", note=rate) as performed:
        run = await performed.start(texts=["one", "two"])
        view = await performed.stack.gate(run, "action-1")
        assert "1 note in the last 1 day for project default, policy allows 1 without a person" in " ".join(view.facts)
        assert "policy: over its rate: note two" in await performed.stack.said(run)
        await performed.stack.decide(view)
        assert [state for state, _ in await receipts(run)] == ["delivered", "delivered"]
        other = await performed.start(texts=["three"], project="another")
        assert [state for state, _ in await receipts(other)] == ["delivered"]


async def test_what_is_over_its_rate_waits_where_policy_says_so(client: Client, tmp_path: Path) -> None:
    """It goes on by itself once there is room, and the feed says until when it waits."""
    rate = 'rate = { most = 1, per = "PT2S", over = "wait", of = "all" }'
    async with performing(client, tmp_path, tier="auto", note=rate) as performed:
        run = await performed.start(texts=["one", "two"])
        assert [state for state, _ in await receipts(run)] == ["delivered", "delivered"]
        assert "1 note in the last 2 seconds, policy allows 1 without a person | it waits until" in await performed.stack.said(
            run
        )
        assert await performed.gates(run) == []
