"""What workers do beside their tasks: each sends heartbeats and clears its own disk, and one of them looks after the ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy import Connection
from temporalio.client import Client
from temporalio.service import RPCError

from activities.running.beside import again
from activities.runs import lines
from activities.runs.disk import Disk
from activities.runs.gone import bring_up_to_date
from contracts.errors import BatonError, LedgerUnavailable
from contracts.text import amount
from ledger import feed, folding, gone, progress, retention, upkeep, workers
from ledger.db import Ledger
from ledger.workers import BEAT, NOTHING_SAID, SILENT, Serving


def _unknown() -> int | None:
    return None


class Upkeep:
    """The rounds of one worker. Its reservations are held under `name`. Without a `disk` it clears none."""

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        about: str,
        disk: Disk | None = None,
        *,
        every: timedelta = BEAT,
        silent: timedelta = SILENT,
        lease: timedelta = upkeep.LEASE,
        serving: Serving = NOTHING_SAID,
        clock_ahead: Callable[[], int | None] = _unknown,
        keep_days: int = 0,
    ) -> None:
        """`serving` goes onto the worker's row. `clock_ahead` says how its clock compares with Temporal's: see `beat`.

        `keep_days` is how many days after its end a run keeps its conversations and files; 0: for ever.
        """
        self._serving = serving
        self._clock_ahead = clock_ahead
        self._ledger = ledger
        self._name = name
        self._about = about
        self._disk = disk
        self._every = every
        self._silent = silent
        self._lease = lease
        self._keep_days = keep_days

    async def run(self, client: Client) -> None:
        """Send heartbeats and make rounds every few seconds until cancelled, even if single ones fail.

        A worker that stopped sending heartbeats would have its calls charged as lost while they still run, so nothing that a
        round waits for holds them up. When it is cancelled the next worker takes over at once.
        """
        try:
            await asyncio.gather(self._again(self.beat), self._again(lambda: self.round(client)))
        finally:
            await self._ledger.tx(upkeep.give_up, self._name)

    async def _again(self, part: Callable[[], Awaitable[object]]) -> None:
        await again(part, self._every, unable="the ledger could not be looked after", action="upkeep_failed")

    async def beat(self) -> None:
        """Send one heartbeat."""
        await self._ledger.tx(workers.beat, self._name, self._about, self._serving, self._clock_ahead())

    async def round(self, client: Client | None = None) -> int:
        """Clear this worker's disk and, where it leads, close in the ledger what is over. Returns how much that was.

        Without a client Temporal is not asked. Safe to make in several workers at once: the second finds nothing to do.
        """
        # Before it looks for orphans: a worker that was frozen would charge its own calls as lost.
        await self.beat()
        if self._disk is not None:
            await self._disk.clear(self._ledger)
        if not await self._ledger.tx(upkeep.lead, self._name, self._lease):
            return 0
        closed, problem = await self._gone(client) if client is not None else (0, "")
        await self._progress()
        for act in (self._orphans, self._left_over, self._forgotten):
            closed += await act()
        removed, unable = await self._removed()
        closed += removed
        await self._figures()
        await self._ledger.tx(upkeep.done, self._name, "; ".join(one for one in (problem, unable) if one))
        if closed:
            structlog.get_logger().info("closed what was over", count=closed, action="upkeep_closed")
        return closed

    async def _gone(self, client: Client) -> tuple[int, str]:
        """Runs that Temporal ended without us, and what could not be found out about others."""
        try:
            async with asyncio.timeout(self._lease.total_seconds() / 2):
                changed, absent = await bring_up_to_date(client, self._ledger)
        except (RPCError, TimeoutError) as error:
            return 0, f"Temporal could not be asked about open runs: {error or 'no answer in time'}"
        if not absent:
            return changed, ""
        return changed, f"{amount(len(absent), 'open run')} not in this Temporal namespace: {', '.join(absent[:5])}"

    async def _orphans(self) -> int:
        """Calls that silent workers hold money for."""
        closed = 0
        for identity in await self._ledger.read(workers.orphans, self._silent):
            # One transaction each: many together would lock the rows of many runs, in an order that calls do not follow.
            closed += await self._ledger.tx(workers.close_orphan, identity, self._silent)
        return closed

    async def end(self) -> None:
        """Record that the worker has ended as it was asked to, so that it counts as gone at once."""
        try:
            await self._ledger.tx(workers.stopped, self._name)
        except BatonError as error:
            structlog.get_logger().warning(
                "the end of this worker is not on record", reason=str(error), action="end_unrecorded"
            )

    async def _removed(self) -> tuple[int, str]:
        """Conversations and files of runs that ended long ago, and why they could not be removed."""
        if not self._keep_days:
            return 0, ""
        keep, trimmed = timedelta(days=self._keep_days), []
        try:
            for trace in await self._ledger.read(retention.old_runs, keep):
                one = await self._ledger.tx(retention.trim, self._ledger.files, trace, keep)
                trimmed += [one] if one is not None else []
        except LedgerUnavailable as error:
            return len(trimmed), f"old conversations and files could not be removed: {error}"
        finally:
            if trimmed:
                await self._ledger.tx(feed.append, upkeep.ITSELF, [lines.runs_trimmed(trimmed, keep)])
        return len(trimmed), ""

    async def _progress(self) -> None:
        """How far calls had got that are over: their workers were killed, and what these held was charged."""
        if over := await self._ledger.read(progress.left_over):
            await self._ledger.tx(progress.forget, over)

    async def _figures(self) -> None:
        """Keep the figures of runs that have changed: not of more than a number of them, so that a round has an end."""
        last = ""
        for _ in range(0, folding.ROUND, folding.AT_ONCE):
            some = await self._ledger.read(folding.changed, last, folding.AT_ONCE)
            if not some:
                return
            await self._ledger.tx(folding.fold, some)
            last = some[-1]

    async def _left_over(self) -> int:
        """Gates that an activity opened after its run had ended."""
        return sum([await self._ledger.tx(gone.close_ended, trace) for trace in await self._ledger.read(gone.left_over)])

    async def _forgotten(self) -> int:
        """Workers that have been silent for long."""
        return await self._ledger.tx(_forget)


def _forget(connection: Connection) -> int:
    names = workers.forget(connection)
    if names:
        feed.append(connection, upkeep.ITSELF, [lines.workers_forgotten(names)])
    return len(names)
