"""What a worker does beside its tasks: it sends heartbeats, and closes what dead workers have left reserved."""

import asyncio
from datetime import timedelta

import structlog

from contracts.errors import BatonError
from ledger import workers
from ledger.db import Ledger
from ledger.workers import BEAT, SILENT


class Upkeep:
    """The rounds of one worker. Its reservations are held under `name`."""

    def __init__(self, ledger: Ledger, name: str, about: str, *, every: timedelta = BEAT, silent: timedelta = SILENT) -> None:
        self._ledger = ledger
        self._name = name
        self._about = about
        self._every = every
        self._silent = silent

    async def run(self) -> None:
        """Make a round now and then every few seconds until cancelled, even if single rounds fail.

        A worker that stopped sending heartbeats would have its calls charged as lost while they still run.
        """
        log = structlog.get_logger()
        while True:
            try:
                await self.round()
            except BatonError as error:
                log.warning("the ledger could not be looked after", reason=str(error), action="upkeep_failed")
            except Exception:
                log.exception("the ledger could not be looked after", action="upkeep_failed")
            await asyncio.sleep(self._every.total_seconds())

    async def round(self) -> int:
        """Send a heartbeat and charge what silent workers hold. Returns how many reservations that were."""
        await self._ledger.tx(workers.beat, self._name, self._about)
        closed = 0
        for identity in await self._ledger.read(workers.orphans, self._silent):
            # One transaction each: many together would lock the rows of many runs, in an order that calls do not follow.
            closed += await self._ledger.tx(workers.close_orphan, identity, self._silent)
        if closed:
            structlog.get_logger().info("closed what dead workers held", reservations=closed, action="orphans_closed")
        return closed
