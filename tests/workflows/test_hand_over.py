"""Actions that a run leaves to the relay: it goes on, and feed and report tell what came of them."""

import json
from pathlib import Path
from typing import Any

from temporalio.client import Client

from ledger import runs
from tests.stack import until
from tests.workflows.performing import Performing, Run, performing
from tests.workflows.performs import PerformReport


async def relayed(performed: Performing) -> None:
    """Have the worker's relay do what is left to it."""
    relay = performed.stack.parts.relay
    assert relay is not None
    await relay.round()
    await relay.settle()


async def reported(performed: Performing, run: Run) -> list[dict[str, Any]]:
    """What the run left to the relay, by its report in the ledger."""
    row = await performed.stack.ledger.read(runs.find, run.id)
    found: list[dict[str, Any]] = json.loads(row.result)["handed_over"]
    return found


async def test_a_run_goes_on_without_its_actions(client: Client, tmp_path: Path) -> None:
    """It ends as done with nothing written; the relay then does all, and the run's report and feed say so."""
    async with performing(client, tmp_path, tier="auto") as performed:
        run = await performed.start(texts=["one", "two"], wait=False)
        report: PerformReport = await run.result()
        assert (report.state, [one.state for one in report.receipts]) == ("done", ["approved", "approved"])
        assert [one.state for one in report.handed_over] == ["approved", "approved"]
        assert await performed.notes() == []
        assert [one["state"] for one in await reported(performed, run)] == ["approved", "approved"]
        await relayed(performed)
        assert sorted(await performed.notes()) == ["note one: one", "note two: two"]  # without a target no order is promised
        assert [one["state"] for one in await reported(performed, run)] == ["delivered", "delivered"]
        story = await performed.stack.said(run)
        for said in ("handed over: note one | its run goes on", "relay: delivered: note two"):
            assert said in story


async def test_what_a_person_approved_is_handed_over(client: Client, tmp_path: Path) -> None:
    """With tier confirm a gate asks first; nothing is left to the relay before."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(wait=False)
        await performed.stack.gate(run, "action-1")
        await relayed(performed)
        assert await performed.notes() == []
        await performed.stack.approve(run, "action-1")
        report: PerformReport = await run.result()
        assert [one.state for one in report.handed_over] == ["approved"]
        await relayed(performed)
        assert await performed.notes() == ["note hello: hello"]


async def test_what_was_done_by_the_end_is_in_the_report(client: Client, tmp_path: Path) -> None:
    """The relay was faster than the run's next gate: the report of the run has the receipt itself."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(texts=["one", "two"], wait=False)
        await performed.stack.approve(run, "action-1")
        await performed.stack.gate(run, "action-2")
        await relayed(performed)
        await performed.stack.decide(await performed.stack.gate(run, "action-2"), "reject", note="one is enough")
        report: PerformReport = await run.result()
        assert [one.state for one in report.handed_over] == ["delivered"]


async def test_a_cancelled_run_takes_back_what_nobody_has_begun(client: Client, tmp_path: Path) -> None:
    """What it had handed over is withdrawn with the rest; the relay does nothing."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(texts=["one", "two"], wait=False)
        await performed.stack.approve(run, "action-1")
        await performed.stack.gate(run, "action-2")
        await run.cancel()

        async def ended() -> bool | None:
            row = await performed.stack.ledger.read(runs.find, run.id)
            return True if row.state == "cancelled" else None

        await until(ended, "the run was cancelled")
        await relayed(performed)
        assert await performed.notes() == []
        assert [one["state"] for one in await reported(performed, run)] == ["expired"]
