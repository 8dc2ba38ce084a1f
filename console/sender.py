"""Sends what people decided in the console, again and again under the same id, until the run has answered."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from activities.gates.from_console import CHANNEL
from activities.running.beside import again
from commands.decide import decision
from contracts.errors import NotFound, Refused
from ledger import decision_outbox, gates
from ledger.db import Ledger
from ledger.decision_outbox import Sent

if TYPE_CHECKING:
    from temporalio.client import Client

EVERY = 2.0
"""Seconds between two tries."""

PATIENCE = 10.0
"""Seconds that one try waits for an answer. Nothing is lost with it: the next one asks for the same."""

AT_ONCE = 20
"""How many are sent side by side."""


class Sender:
    """One for each console. Several consoles over one ledger send the same decisions, which count once."""

    def __init__(self, ledger: Ledger, connect: Callable[[], Awaitable["Client"]]) -> None:
        """`connect` gives a client, and raises `BatonError` where Temporal does not answer."""
        self._ledger, self._connect = ledger, connect
        self._client: Client | None = None
        self._woken = asyncio.Event()
        self._woken.set()  # what an earlier console has left waits already

    def wake(self) -> None:
        """There is something to send."""
        self._woken.set()

    async def send(self) -> None:
        """Send what waits, for as long as the console runs."""
        # While nobody answers, the pages say of each decision that it is not confirmed.
        await again(self._turn, timedelta(), unable="decisions of the console wait", action="console_send")

    async def _turn(self) -> None:
        """Wait until there is something to send, or for a while; then send what waits."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY):
                await self._woken.wait()
        self._woken.clear()
        await self._round()

    async def _round(self) -> None:
        there = await self._ledger.read(decision_outbox.waiting, AT_ONCE)
        if not there:
            return
        if self._client is None:
            self._client = await self._connect()
        await asyncio.gather(*(self._one(self._client, one) for one in there))

    async def _one(self, client: "Client", sent: Sent) -> None:
        """Send one. What the run answers is in the ledger by then: whoever admits a decision writes it there."""
        await self._ledger.tx(decision_outbox.tried, sent.nonce)
        sent_as = decision.id_of_update(CHANNEL, sent.nonce)
        try:
            view, _ = await self._ledger.read(gates.find, sent.trace, sent.gate)
            answer = await decision.send(client, view, sent.verb, sent_as, sent.said, PATIENCE)
        except decision.Unconfirmed:
            return
        except decision.RunEnded as ended:
            refusal = (self._ledger, view, sent.verb, sent.by, str(ended), sent_as)
            await asyncio.to_thread(decision.record_refusal, *refusal)
            await self._ledger.tx(decision_outbox.settle, sent.nonce, "refused", str(ended))
        except (Refused, NotFound) as refused:
            await self._ledger.tx(decision_outbox.settle, sent.nonce, "refused", str(refused))
        else:
            await self._ledger.tx(decision_outbox.settle, sent.nonce, "confirmed", str(answer.get("reason") or ""))
