"""Removing the workspaces of runs that have ended."""

import asyncio

from temporalio import activity

from activities.repositories.shared import Repositories
from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from contracts.repositories import DropWorkspaces
from ledger import runs


class Cleanup:
    """The activity `drop_workspaces`."""

    def __init__(self, repositories: Repositories) -> None:
        self._repos = repositories

    @activity.defn
    async def drop_workspaces(self, request: DropWorkspaces) -> None:
        """Remove every workspace of a run family, and what killed workers left of others. Safe to call twice."""
        async with beating():
            await asyncio.to_thread(self._repos.workspaces.remove, request.run.trace)
            # Also those of runs that were cleaned up on another machine, or before a late attempt made a workspace again.
            open_now = set(await self._repos.ledger.read(runs.open_traces))
            await asyncio.to_thread(self._repos.workspaces.sweep, open_now)
            await commit_alone(self._repos.ledger, request)
