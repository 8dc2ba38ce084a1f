"""Many tickets in one run: it continues as new between them, and each ends as it was written. In the soak they are 200."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from ledger import gates
from tests.activities.support.corpus import written
from tests.depth import count
from tests.stack import Stack, dev_server, result_of
from tests.workflows.test_continue import chain_of
from tests.workflows.test_support import answering, sent, started
from workflows import support
from workflows.kit import slots

SUGGESTED_AT = "limit.historyCount.suggestContinueAsNew=20"

TICKETS = count(6, soak=200)
ANSWERED = {"refund": "replied", "reply": "replied", "template": "replied", "no_reply": "no_reply", "joined": "joined"}
"""How a ticket ends, by what becomes of it; with any other it is handed to a person, who takes it over here."""


@pytest.fixture(scope="module")
async def short_lived() -> AsyncIterator[Client]:
    """A client of a server that suggests to continue after a few events."""
    async with dev_server(SUGGESTED_AT) as environment:
        yield environment.client


async def approve_all(running: Stack, run: Any) -> None:
    """A person who says yes to everything, for as long as the run goes on."""
    while True:
        for view in await running.ledger.read(gates.open_gates):
            if view.workflow_id.startswith(run.id):
                await running.decide(view, "done" if view.kind == "draft" else "approve")
        await asyncio.sleep(0.1)


async def test_many_tickets_end_as_they_are_written(
    short_lived: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some at a time; nobody is written to twice, and the figures are of all of them."""
    monkeypatch.setattr(support, "TOGETHER", count(2, soak=50))
    # From here on it waits for those who wait for a person, too.
    monkeypatch.setattr(slots, "EVENTS_LIMIT", 20)
    tickets = written(TICKETS)
    async with answering(short_lived, tmp_path, workflow_sandbox=False) as (running, shop, server):
        shop.known(TICKETS)
        shop.file(*(one.line for one in tickets))
        run = await started(running, "support-many")
        person = asyncio.create_task(approve_all(running, run))
        report = await result_of(run)
        person.cancel()
        first = short_lived.get_workflow_handle(run.id, run_id=run.first_execution_run_id)
        chain = await chain_of(first)
    ended = Counter(ANSWERED.get(one.outcome, "by_person") for one in tickets)
    assert (report.state, report.reason) == ("done", "")
    assert report.endings == ended
    assert sum(one.tickets for one in report.categories) == TICKETS
    # Opening hours are told again to whoever asks again; nothing else is answered twice.
    answered = Counter(one.customer for one in tickets if ANSWERED.get(one.outcome) == "replied")
    assert Counter(to for (to,), _ in sent(server)) == answered
    assert len(chain) > 1
