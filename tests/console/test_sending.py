"""The loop that sends what people decided."""

import asyncio

from temporalio.client import Client

from console.sender import Sender
from contracts.gates import Decision
from ledger import decision_outbox
from ledger.db import Ledger
from tests import children


async def test_a_round_that_fails_for_any_reason_is_followed_by_another(ledger: Ledger) -> None:
    """Whatever went wrong, and not only what we have words for: no decision waits for somebody to start the console again."""
    said = Decision(by="olga", gate="plan-1", subject="0" * 64, nonce="one").model_dump(mode="json")
    ledger.tx_now(decision_outbox.put, "trace-1", "approve", said, "password")
    tries = 0
    again = asyncio.Event()

    async def connect() -> Client:
        nonlocal tries
        tries += 1
        sender.wake()
        if tries == 2:
            again.set()
        raise RuntimeError("nobody has thought of this")

    sender = Sender(ledger, connect)
    sending, tried = asyncio.create_task(sender.send()), asyncio.create_task(again.wait())
    ended, _ = await asyncio.wait({sending, tried}, timeout=children.PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    assert ended == {tried}
    sending.cancel()
    assert ledger.read_now(decision_outbox.waiting)[0].tried_at is None
