"""Whoever decides is told what became of it: while another decision is checked, and where nothing can be recorded at all."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError

from activities.gates import gates
from ledger import runs
from tests.scripts import answer, item, plan, says
from tests.stack import PATIENCE, Stack, sample
from tests.workflows.conftest import Start

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
BROKEN = ApplicationError("the record is broken", type="Broken", non_retryable=True)


def _instead(monkeypatch: pytest.MonkeyPatch, name: str, do: Any) -> None:
    """Another activity under the same name, in workers that are made from now on."""
    do.__dict__.update(getattr(gates.Gates, name).__dict__)
    monkeypatch.setattr(gates.Gates, name, do)


async def _told(sent: Awaitable[Any]) -> str:
    """Why the sender was refused, who must be told at once."""
    sending = asyncio.ensure_future(sent)
    done, _ = await asyncio.wait({sending}, timeout=PATIENCE)
    assert done, "nobody tells the sender what became of the decision"
    error = sending.exception()
    assert isinstance(error, WorkflowUpdateFailedError), error
    return str(error.cause)


async def _ended(stack: Stack, run: WorkflowHandle[Any, Any]) -> str:
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(run.result(), PATIENCE)
    assert (await stack.ledger.read(runs.find, run.id)).state == "failed"
    return str(failed.value.cause)


async def test_who_comes_while_a_decision_is_checked_is_told_at_once(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one holds the gate from the moment that it arrived; the second is told who that is, and changes nothing."""
    checking, go, check = asyncio.Event(), asyncio.Event(), gates.Gates.admit_decision

    async def slowly(self: gates.Gates, request: Any) -> Any:
        checking.set()
        await asyncio.wait_for(go.wait(), PATIENCE)
        return await check(self, request)

    _instead(monkeypatch, "admit_decision", slowly)
    async with start(PLANNER) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "plan-1")
        first = asyncio.create_task(stack.decide(view, "reject", by="maria", note="no"))
        await asyncio.wait_for(checking.wait(), PATIENCE)
        assert "maria was first: reject is being checked" in await _told(stack.decide(view, "reject", by="bob", note="not"))
        go.set()
        assert (await first)["by"] == "maria"
        assert (await run.result()).reason == "the plan was rejected by maria: no"


async def test_a_decision_that_cannot_be_recorded_is_told_so(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the decision fails for good: its sender is refused with the reason, and the run fails with it."""

    async def failing(self: gates.Gates, request: Any) -> Any:
        raise BROKEN

    _instead(monkeypatch, "admit_decision", failing)
    async with start(PLANNER) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "plan-1")
        assert "gate plan-1 is closed: cancelled" in await _told(stack.decide(view, "reject", note="no"))
        assert "the record is broken" in await _ended(stack, run)
        assert "gate plan-1 is closed: cancelled" in await stack.said(run)


async def test_a_decision_at_a_gate_that_never_opened_is_told_so(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent while the gate is being recorded, which fails for good: it took the gate first, and is refused all the same."""
    opening, claimed = asyncio.Event(), asyncio.Event()

    async def failing(self: gates.Gates, request: Any) -> Any:
        opening.set()
        await asyncio.wait_for(claimed.wait(), PATIENCE)
        raise BROKEN

    _instead(monkeypatch, "open_gate", failing)
    async with start(PLANNER) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await asyncio.wait_for(opening.wait(), PATIENCE)
        said = {"gate": "plan-1", "by": "maria", "note": "no"}
        sent = await run.start_update("reject", said, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        claimed.set()
        assert "gate plan-1 is closed: cancelled" in await _told(sent.result())
        assert "the record is broken" in await _ended(stack, run)
