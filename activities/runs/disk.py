"""What a worker's own disk need not keep: workspaces of ended runs, and mirrors and environments that no run uses."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from activities.repositories.workspaces import Workspaces
from activities.runs import lines
from ledger import feed, upkeep
from ledger.db import Ledger
from ledger.views import runs

UNUSED = timedelta(days=30)
"""A mirror or environment that no run has used for so long is removed; it can be had again."""


class Store(Protocol):
    """Folders that belong to repositories, each of which can be made again: mirrors, or environments."""

    what: str
    """What one of them is called."""

    again: str
    """How one comes back that was removed."""

    def unused(self, longer_than: timedelta) -> list[str]:
        """Folders that nobody has used for so long."""

    def folders(self, repositories: Iterable[str]) -> set[str]:
        """The folders that belong to these paths or URLs."""

    def remove(self, folder: str, longer_than: timedelta) -> int | None:
        """Delete an unused one. Returns its bytes, or None if it is in use after all."""


class Disk:
    """The folders of one worker. Workers that share a state folder may clear it at the same time."""

    def __init__(self, workspaces: Workspaces, *stores: Store, unused: timedelta = UNUSED) -> None:
        self._workspaces = workspaces
        self._stores = stores
        self._unused = unused

    async def clear(self, ledger: Ledger) -> None:
        """Remove what only ended runs used. What another process holds now is left for the next time."""
        # The folders first: a run that begins in between is then not among them.
        there = await asyncio.to_thread(self._workspaces.traces)
        ended = await ledger.read(runs.ended_among, there) if there else set()
        if ended:
            await asyncio.to_thread(self._workspaces.clear, ended)
        for store in self._stores:
            await self._clear(store, ledger)

    async def _clear(self, store: Store, ledger: Ledger) -> None:
        old = await asyncio.to_thread(store.unused, self._unused)
        if not old:
            return
        # A run may wait for a month, and its commit may be nowhere else any more.
        asked = await ledger.read(runs.used_by_open_runs)
        kept = await asyncio.to_thread(store.folders, asked.repositories)
        for name in (one for one in old if one not in kept and one not in asked.environments):
            size = await asyncio.to_thread(store.remove, name, self._unused)
            if size is not None:
                note = lines.unused_removed(store.what, name, size, self._unused, store.again)
                await ledger.tx(feed.append, upkeep.ITSELF, [note])
