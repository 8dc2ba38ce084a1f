"""Leaving an action to the relay: a run goes on at once, or waits for the receipt because its own worker sends nothing."""

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from activities.actions import outbox
from activities.actions.outbox import already, unknown
from activities.running.held import refusal
from contracts.actions import Deliver, Receipt
from ledger import actions, condemnations, relay
from ledger.db import Ledger

LOOK = timedelta(seconds=0.5)
"""How often a run that waits looks for its receipt."""


class Handing:
    """Hands actions over. Call it inside an activity that sends heartbeats."""

    def __init__(self, ledger: Ledger, look: timedelta = LOOK) -> None:
        self._ledger = ledger
        self._look = look

    async def hand_over(self, request: Deliver) -> Receipt:
        """Leave an action to the relay and return at once: its receipt as it is by now, or the stored one. Safe to call twice.

        Raises `NotApproved`, an `ApplicationError`, where it may not happen.
        """
        row = await self._ledger.tx(outbox.hand_over, request, "handed")
        if row.state in (*relay.TRIED, "unknown"):
            return outbox.receipt_for(row, row.state, problem=row.problem)
        return already(row)

    async def wait(self, request: Deliver) -> Receipt:
        """Leave an action to the relay and wait for its receipt. If cancelled it stops waiting; the relay goes on.

        Raises `OutcomeUnknown`, an `ApplicationError` that is not retried, where a person has to say whether it happened, and
        `NotApproved` where it may not happen any more; `Held` where it came from something condemned.
        """
        row = await self._ledger.tx(outbox.hand_over, request, "waited")
        while row.state in relay.TRIED:
            if row.state == "held":
                await self._not_held(row)
            await asyncio.sleep(self._look.total_seconds())
            row = await self._ledger.read(actions.get, request.key)
            # Another worker was sending it and died, or another run has taken it over.
            if row.state in relay.TRIED and not row.relay:
                row = await self._ledger.tx(outbox.hand_over, request, "waited")
        if row.state == "unknown":
            raise unknown(row, row.problem, for_good=True)
        return already(row)

    async def _not_held(self, row: Row[Any]) -> None:
        """Raise the error of what is held. What a person has let go on meanwhile is due again at once."""
        if held := await self._ledger.read(condemnations.holding, row.trace, [row.key], row.key):
            raise refusal(held, row.summary)
        await self._ledger.tx(actions.let_go, [row.key])
