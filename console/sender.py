"""Sends what people decided in the console, again and again under the same id, until the run has answered; and wakes runs."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from activities.gates.from_console import CHANNEL
from activities.running.beside import again
from commands.decide import decision, told
from commands.money.ceilings import nudge
from console.pages.asked import Wake
from contracts.errors import NotFound, Refused
from ledger import decision_outbox, gates
from ledger.db import Ledger
from ledger.decision_outbox import Sent
from ledger.money.ceilings import close_left_over

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
        self._looks: list[Wake] = []

    def wake(self) -> None:
        """There is something to send."""
        self._woken.set()

    def tell(self, wake: Wake) -> None:
        """Have runs look again, once Temporal answers: tried once. One that is not reached looks by itself in its time."""
        self._looks.append(wake)
        self.wake()

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
        if not there and not self._looks:
            return
        if self._client is None:
            self._client = await self._connect()
        looks, self._looks = self._looks, []
        await asyncio.gather(
            *(self._one(self._client, one) for one in there), *(self._look(self._client, one) for one in looks)
        )

    async def _look(self, client: "Client", wake: Wake) -> None:
        if wake.signal == "condemned":
            await told.signal(client, list(wake.runs))
            return
        found = await nudge(client, list(wake.runs))
        # Ended in Temporal without a word: as long as they count as waiting, they keep new runs out.
        for run in found.over:
            await self._ledger.tx(close_left_over, wake.runs[run])

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
