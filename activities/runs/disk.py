"""What a worker's own disk need not keep: workspaces of ended runs, and mirrors of repositories that no run uses."""

import asyncio
from datetime import timedelta

from activities.git import Mirrors
from activities.repositories.workspaces import Workspaces
from activities.runs import lines
from ledger import feed, upkeep
from ledger.db import Ledger
from ledger.views import runs

UNUSED = timedelta(days=30)
"""A mirror that no run has opened for so long is removed; the next run that wants it fetches it again."""


class Disk:
    """The folders of one worker. Workers that share a state folder may clear it at the same time."""

    def __init__(self, workspaces: Workspaces, mirrors: Mirrors, unused: timedelta = UNUSED) -> None:
        self._workspaces = workspaces
        self._mirrors = mirrors
        self._unused = unused

    async def clear(self, ledger: Ledger) -> None:
        """Remove what only ended runs used. What another process holds now is left for the next time."""
        # The folders first: a run that begins in between is then not among them.
        there = await asyncio.to_thread(self._workspaces.traces)
        ended = await ledger.read(runs.ended_among, there) if there else set()
        if ended:
            await asyncio.to_thread(self._workspaces.clear, ended)
        await self._clear_mirrors(ledger)

    async def _clear_mirrors(self, ledger: Ledger) -> None:
        old = await asyncio.to_thread(self._mirrors.unused, self._unused)
        if not old:
            return
        # A run may wait for a month, and its commit may be nowhere else any more.
        asked = await ledger.read(runs.repositories_of_open_runs)
        kept = await asyncio.to_thread(self._mirrors.folders, asked)
        for name in (one for one in old if one not in kept):
            size = await asyncio.to_thread(self._mirrors.remove, name, self._unused)
            if size is not None:
                await ledger.tx(feed.append, upkeep.ITSELF, [lines.mirror_removed(name, size, self._unused)])
