"""An action of which nobody knows whether it happened: a person says it, nothing is sent again, and silence settles nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.actions.note import NoteAdapter
from contracts.actions import Receipt
from tests.workflows.performing import Performing, performing


class Sent:
    """How often the target was sent something that it did not answer."""

    count = 0


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The target takes what it is sent, gives no answer, and cannot be asked afterwards, as long as anybody tries."""
    sent = Sent()

    def send(self: NoteAdapter, arguments: bytes, when: Any) -> str:
        sent.count += 1
        raise ApplicationError("the line went dead", type="OutcomeUnknown", non_retryable=True)

    monkeypatch.setattr(NoteAdapter, "send", send)
    return sent


SOON = 'who = ["*"]\ndeadline = "PT1S"'


@pytest.fixture
async def performed(client: Client, tmp_path: Path, sent: Sent) -> AsyncIterator[Performing]:
    """A worker whose policy lets notes happen."""
    async with performing(client, tmp_path, tier="auto") as made:
        yield made


@pytest.mark.parametrize(("verb", "state"), [("happened", "delivered"), ("did_not_happen", "failed")])
async def test_a_person_says_what_nobody_knows(performed: Performing, sent: Sent, verb: str, state: str) -> None:
    """The gate says why it is not known. What the person found is the receipt, and the target is left alone."""
    run = await performed.start()
    view = await performed.stack.gate(run, "unknown-1")
    assert view.verbs == ("happened", "did_not_happen")
    assert view.facts == ("the line went dead (OutcomeUnknown)", "nothing is sent again until this is known")
    assert await performed.outbox() == [("", "sending", 1)]
    await performed.stack.decide(view, verb, note="looked there")
    receipt: Receipt = (await run.result()).receipts[0]
    assert (receipt.state, receipt.how) == (state, "person")
    assert await performed.receipt_of(receipt.key) == receipt
    assert (await performed.outbox(), sent.count) == ([("", state, 1)], 1)


async def test_silence_leaves_it_unknown(client: Client, tmp_path: Path, sent: Sent) -> None:
    """Nobody answers: the receipt says that it is not known, and the outbox keeps it open for whoever finds out."""
    async with performing(client, tmp_path, tier="auto", unknown=SOON) as performed:
        run = await performed.start()
        report = await run.result()
        assert await performed.gates(run) == ["unknown-1"]
        assert (await performed.outbox(), sent.count) == ([("", "sending", 1)], 1)
    assert (report.receipts[0].state, report.receipts[0].problem) == ("unknown", "the line went dead (OutcomeUnknown)")
