"""Decisions that come too late, too early, twice, or from the wrong person: exactly one counts, and the others are told why."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError

from tests.scripts import answer, could_not, item, plan, says, unsure
from tests.stack import Stack, held, sample
from tests.workflows.conftest import Start

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
POLICY = Path("policy.toml").read_text()


async def test_a_repository_that_is_none_fails_with_the_way_out(start: Start, tmp_path: Path) -> None:
    """A path without a repository ends the run as failed; the text says what to check."""
    async with start(PLANNER) as stack:
        run = await stack.deliver(tmp_path / "nowhere")
        with pytest.raises(WorkflowFailureError) as caught:
            await run.result()
    assert "nowhere" in str(caught.value.cause)


async def test_late_and_second_decisions_are_refused_with_who_was_first(start: Start, tmp_path: Path) -> None:
    """After a decision the gate is closed; who comes later is told by whom and when."""
    origin = sample(tmp_path / "sample")
    planners = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), summary="second")), text="again please")
    async with start(planners, PLANNER) as stack:
        run = await stack.deliver(origin)
        first = await stack.gate(run, "plan-1")
        await stack.decide(first, "request_changes", note="again please")
        second = await stack.gate(run, "plan-2")
        assert "gate plan-1 is closed: request_changes by maria" in await _said_no(run, {"gate": "plan-1", "by": "bob"})
        assert "is at revision 2: send the subject you looked at" in await _said_no(run, {"gate": "plan-2", "by": "bob"})
        stale = {"gate": "plan-2", "by": "bob", "subject": first.subject}
        assert "it changed since you opened it" in await _said_no(run, stale)
        await stack.decide(second, "reject", note="enough")
        await run.result()


async def _said_no(run: WorkflowHandle[Any, Any], decision: dict[str, Any]) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await run.execute_update("approve", decision)
    return str(caught.value.cause)


async def test_two_people_at_once_have_one_winner(start: Start, tmp_path: Path) -> None:
    """Of two decisions sent at the same time exactly one is confirmed; the other hears who was first."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan-1")
        answers = await asyncio.gather(
            stack.decide(view, "reject", by="maria", note="no"),
            stack.decide(view, "reject", by="bob", note="no"),
            return_exceptions=True,
        )
        report = await run.result()
    won = [one for one in answers if isinstance(one, dict)]
    lost = [str(one.__cause__) for one in answers if isinstance(one, BaseException)]
    assert len(won) == len(lost) == 1
    assert f"rejected by {won[0]['by']}" in report.reason
    assert "was first" in lost[0] or "is closed" in lost[0]


async def test_an_early_reject_is_kept_and_applied_when_the_gate_opens(start: Start, tmp_path: Path) -> None:
    """A reject that is sent before the gate opens takes it as soon as it does; an early blind approve is refused."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER) as stack:
        planning = held(stack, "planner")
        run = await stack.deliver(origin)
        kept = await run.execute_update("reject", {"gate": "plan", "by": "maria", "note": "stop it"})
        assert "not open yet" in await _said_no(run, {"gate": "plan", "by": "bob"})
        planning.go.set()
        report = await run.result()
    assert kept["kept"] is True
    assert "the plan was rejected by maria: stop it" in report.reason


async def test_a_kept_decision_that_does_not_count_leaves_the_gate_to_the_next(start: Start, tmp_path: Path) -> None:
    """Two rejects come before the gate opens; policy refuses the first, so the second decides, and the third is too late."""
    origin, policy = sample(tmp_path / "sample"), tmp_path / "policy.toml"
    policy.write_text(POLICY.replace('[gates.plan]\nwho = ["*"]', '[gates.plan]\nwho = ["maria", "olga"]'))
    async with start(PLANNER, policy=policy) as stack:
        planning = held(stack, "planner")
        run = await stack.deliver(origin)
        for by in ("bob", "maria", "olga"):
            kept = await run.execute_update("reject", {"gate": "plan", "by": by, "note": f"{by} says no"})
            assert kept["kept"] is True
        planning.go.set()
        report = await run.result()
        told = {line.actor: line.why for line in await stack.feed(run) if line.did.endswith("was refused")}
    assert report.reason == "the plan was rejected by maria: maria says no"
    assert "'bob' may not decide here; policy allows maria, olga" in told["bob"]
    assert told["olga"] == "gate plan-1 is closed: reject"


async def test_early_decisions_are_kept_only_while_they_are_few_and_short(start: Start, tmp_path: Path) -> None:
    """What is kept goes along when a run continues as new, so it is bounded; the sender of one too many is told."""
    async with start(PLANNER) as stack:
        planning = held(stack, "planner")
        run = await stack.deliver(sample(tmp_path / "sample"))
        long = [{"gate": "plan", "by": "maria", "note": "x" * 7900} for _ in range(5)]
        told = await asyncio.gather(*(run.execute_update("reject", one) for one in long), return_exceptions=True)
        planning.go.set()
        report = await run.result()
    kept = [one for one in told if isinstance(one, dict)]
    refused = [str(one.__cause__) for one in told if isinstance(one, BaseException)]
    assert (len(kept), len(refused)) == (4, 1)
    assert all("early decisions may have at most 32768 bytes in total" in text for text in refused)
    assert report.reason.startswith("the plan was rejected by maria: xxx")


async def _never_opened(stack: Stack, run: WorkflowHandle[Any, Any]) -> list[tuple[str, str, str]]:
    """Who heard in the feed, instead of silence, that their gate never opened: the gate, who, and what they did."""
    told = [line for line in await stack.feed(run) if line.why == "the run ended before this gate opened"]
    return [(line.stage, line.actor, line.did) for line in told]


@pytest.mark.parametrize("ending", ["rejected", "cancelled"])
async def test_a_kept_decision_whose_gate_never_opens_is_told_as_refused(start: Start, tmp_path: Path, ending: str) -> None:
    """However the run ends: decisions about the change were kept, there never is one, and the feed says who sent what."""
    async with start(PLANNER) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "plan-1")
        for verb, by in (("approve", "bob"), ("reject", "ann")):
            early = {"gate": "change", "by": by, "note": "as agreed", "subject": "0" * 64}
            assert (await run.execute_update(verb, early))["kept"] is True
        if ending == "rejected":
            await stack.decide(view, "reject", note="no")
            assert (await run.result()).state == "could_not"
        else:
            await run.cancel()
            with pytest.raises(WorkflowFailureError):
                await run.result()
        told = await _never_opened(stack, run)
    assert told == [("change", "bob", "sent approve and was refused"), ("change", "ann", "sent reject and was refused")]


async def test_a_childs_kept_decisions_are_told_as_well(start: Start, tmp_path: Path) -> None:
    """What was sent to a writer for a gate that it never opened is in the feed of its run, however much was refused before."""
    which = {"id": "which", "text": "Which one?"}
    writes = says("writer", unsure("both fit", which), could_not("it is odd"), text="Your item is `fix`")
    async with start(PLANNER, writes) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan")
        view = await stack.gate(run, "clarify")
        child = stack.client.get_workflow_handle(view.workflow_id)
        for number in range(60):
            await child.signal("reject", {"gate": f"none-{number}", "by": "eve", "note": "no"})
        assert (await child.execute_update("reject", {"gate": "stuck", "by": "bob", "note": "no"}))["kept"] is True
        await stack.decide(view, "answer", answers={"which": "the second"})
        await stack.decide(await stack.gate(run, "stuck-1"), "reject", note="enough")
        await run.result()
        told = await _never_opened(stack, run)
        refused = [line for line in await stack.feed(run) if line.actor == "eve"]
    assert told == [("stuck", "bob", "sent reject and was refused")]
    assert len(refused) == 60
