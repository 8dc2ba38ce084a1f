"""Nothing that anybody sends can wedge a run: every bad start, signal and update has a readable, recorded outcome."""

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from contracts.gates import GateView
from ledger import gates
from tests.scripts import answer, item, plan, says
from tests.stack import Stack, sample, until
from tests.workflows.conftest import Start

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
GOOD = {"gate": "plan-1", "by": "maria", "subject": None}

BAD_STARTS = [
    # what is sent, and what the failure says
    ([{"instruction": "x"}], "repository: Field required"),
    ([{"repository": "r", "instruction": "i", "chek": "pytest"}], "chek: Extra inputs are not permitted"),
    ([{"repository": "r", "instruction": "i", "rework": "many"}], "rework: Input should be a valid integer"),
    ([{"repository": "r", "instruction": "i", "ceiling_usd": -1}], "ceiling_usd: Input should be greater than 0"),
    (["just text"], "(whole): Input should be"),
    ([None], "and got NoneType"),
    ([b"bytes"], "and got bytes"),
    ([[1, 2]], "(whole): Input should be"),
    ([], "takes exactly one JSON object"),
    ([{"repository": "r", "instruction": "i"}, {}], "takes exactly one JSON object"),
]


@pytest.mark.parametrize(("args", "said"), BAD_STARTS)
async def test_a_bad_start_fails_with_a_reason(start: Start, args: list[Any], said: str) -> None:
    """A start that does not fit fails at once and names what is wrong; it never stays running."""
    async with start(PLANNER) as stack:
        error = await _failure(stack, "Delivery", args)
    assert said in str(error)


async def test_an_unknown_workflow_type_fails_naming_the_known(start: Start) -> None:
    """A mistyped type is answered with the list of types."""
    async with start(PLANNER) as stack:
        error = await _failure(stack, "Delivry", [{}])
    assert "there is no workflow type 'Delivry'; there are Delivery, WriteItem" in str(error)


async def _failure(stack: Stack, kind: str, args: list[Any]) -> BaseException:
    with pytest.raises(WorkflowFailureError) as caught:
        await stack.client.execute_workflow(
            kind,
            args=args,
            id=f"bad-{secrets.token_hex(4)}",
            task_queue=stack.settings.task_queue,
            execution_timeout=timedelta(seconds=30),
        )
    assert isinstance(caught.value.cause, ApplicationError), caught.value.cause
    return caught.value.cause


async def test_a_repository_that_is_none_fails_with_the_way_out(start: Start, tmp_path: Path) -> None:
    """A path without a repository ends the run as failed; the text says what to check."""
    async with start(PLANNER) as stack:
        run = await stack.deliver(tmp_path / "nowhere")
        with pytest.raises(WorkflowFailureError) as caught:
            await run.result()
    assert "nowhere" in str(caught.value.cause)


BAD_MESSAGES: list[tuple[str, list[Any], str]] = [
    ("approve", [], "send exactly one JSON object"),
    ("approve", [GOOD, GOOD], "send exactly one JSON object"),
    ("approve", ["plan-1"], "got str"),
    ("approve", [None], "got NoneType"),
    ("approve", [[GOOD]], "got list"),
    ("approve", [{"gate": "plan-1"}], "by: Field required"),
    ("approve", [GOOD | {"gate": 7}], "gate: Input should be a valid string"),
    ("approve", [GOOD | {"gat": "plan-1"}], "gat: Extra inputs are not permitted"),
    ("approve", [GOOD | {"subject": "f" * 64}], "it changed since you opened it"),
    ("approve", [GOOD | {"subject": "short"}], "subject: String should match"),
    ("approve", [GOOD | {"gate": "deploy"}], "there is no gate 'deploy' here; open gates: plan-1"),
    ("approve", [GOOD | {"gate": "change-1"}], "gate change-1 is not open yet; with the subject's digest it would be kept"),
    ("answer", [GOOD], "gate plan-1 takes approve, reject, request_changes, not answer"),
    ("reject", [GOOD], "reject needs a note that says why"),
    ("request_changes", [GOOD | {"note": "  "}], "request_changes needs a note that says why"),
    ("approve", [GOOD | {"note": "x" * 70_000}], "larger than 65536 bytes"),
    ("approve", [GOOD | {"by": "agent:planner"}], "agents never decide at a gate"),
    ("launch", [GOOD], "there is no"),
    ("pause", [{}, {}], "pause takes at most one small JSON object"),
]


async def test_bad_messages_are_refused_recorded_and_wedge_nothing(start: Start, tmp_path: Path) -> None:
    """Every bad update is refused with a text, every bad signal recorded, and the gate still takes a good decision."""
    origin = sample(tmp_path / "sample")
    async with start(PLANNER) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan-1")
        for name, args, said in BAD_MESSAGES:
            with pytest.raises(WorkflowUpdateFailedError) as caught:
                await run.execute_update(name, args=args)
            assert said in str(caught.value.cause), (name, args)
        for name, args, _ in BAD_MESSAGES:
            await run.signal(name, args=args)
        expected = 2 * len(BAD_MESSAGES)
        refused = await until(lambda: _refused(stack, view.trace, expected), f"{expected} refusals were recorded")
        await until(lambda: _decided(stack, view), "the last bad decision was checked and a good one taken")
        report = await run.result()
    assert {one["via"] for one in refused} == {"signal", "update"}
    for _, _, said in BAD_MESSAGES:
        assert sum(said in one["reason"] for one in refused) >= 2, said
    assert "that was all" in report.reason


async def _decided(stack: Stack, view: GateView) -> bool | None:
    """True once the gate took a good decision; None while it still checks a bad one."""
    try:
        await stack.decide(view, "reject", note="that was all")
    except WorkflowUpdateFailedError as error:
        if "was faster" in str(error.cause):
            return None
        raise
    return True


async def _refused(stack: Stack, trace: str, wanted: int) -> list[dict[str, Any]] | None:
    found = [one for one in await stack.ledger.read(gates.decisions, trace) if one["outcome"] == "refused"]
    return found if len(found) >= wanted else None


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
    """Of two decisions sent at the same time exactly one is confirmed; the other hears who was faster."""
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
    assert "was faster" in lost[0] or "is closed" in lost[0]


async def test_an_early_reject_is_kept_and_applied_when_the_gate_opens(start: Start, tmp_path: Path) -> None:
    """A reject that is sent before the gate opens takes it as soon as it does; an early blind approve is refused."""
    origin = sample(tmp_path / "sample")
    slow = says("planner", answer(plan(item("fix", ["shop/pricing.py"])))) | {"delay_ms": 1500}
    async with start(slow) as stack:
        run = await stack.deliver(origin)
        kept = await run.execute_update("reject", {"gate": "plan", "by": "maria", "note": "stop it"})
        assert "not open yet" in await _said_no(run, {"gate": "plan", "by": "bob"})
        report = await run.result()
    assert kept["kept"] is True
    assert "the plan was rejected by maria: stop it" in report.reason
