"""What a worker does beside its tasks: it sends heartbeats, and closes what dead workers have left reserved."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from contracts.errors import BatonError
from ledger import workers
from ledger.db import Ledger
from ledger.workers import BEAT, NOTHING_SAID, SILENT, Serving


def _unknown() -> int | None:
    return None


class Upkeep:
    """The rounds of one worker. Its reservations are held under `name`."""

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        about: str,
        *,
        every: timedelta = BEAT,
        silent: timedelta = SILENT,
        serving: Serving = NOTHING_SAID,
        clock_ahead: Callable[[], int | None] = _unknown,
    ) -> None:
        """`serving` goes onto the worker's row. `clock_ahead` says how its clock compares with Temporal's: see `beat`."""
        self._serving = serving
        self._clock_ahead = clock_ahead
        self._ledger = ledger
        self._name = name
        self._about = about
        self._every = every
        self._silent = silent

    async def run(self) -> None:
        """Send heartbeats, and make a round now and then every few seconds, until cancelled, even if single ones fail.

        A worker that stopped sending heartbeats would have its calls charged as lost while they still run.
        """
        # Apart: a round that takes long must not make its worker look dead.
        async with asyncio.TaskGroup() as both:
            both.create_task(self._again(self.beat))
            both.create_task(self._again(self.round))

    async def _again(self, duty: Callable[[], Awaitable[object]]) -> None:
        log = structlog.get_logger()
        while True:
            try:
                await duty()
            except BatonError as error:
                log.warning("the ledger could not be looked after", reason=str(error), action="upkeep_failed")
            except Exception:
                log.exception("the ledger could not be looked after", action="upkeep_failed")
            await asyncio.sleep(self._every.total_seconds())

    async def beat(self) -> None:
        """Send one heartbeat."""
        await self._ledger.tx(workers.beat, self._name, self._about, self._serving, self._clock_ahead())

    async def round(self) -> int:
        """Send a heartbeat and charge what silent workers hold. Returns how many reservations that were."""
        # Before it looks for orphans: a worker that was frozen would charge its own calls as lost.
        await self.beat()
        closed = 0
        for identity in await self._ledger.read(workers.orphans, self._silent):
            # One transaction each: many together would lock the rows of many runs, in an order that calls do not follow.
            closed += await self._ledger.tx(workers.close_orphan, identity, self._silent)
        if closed:
            structlog.get_logger().info("closed what dead workers held", reservations=closed, action="orphans_closed")
        return closed

    async def end(self) -> None:
        """Record that the worker has ended as it was asked to, so that it counts as gone at once."""
        try:
            await self._ledger.tx(workers.stopped, self._name)
        except BatonError as error:
            structlog.get_logger().warning(
                "the end of this worker is not on record", reason=str(error), action="end_unrecorded"
            )
