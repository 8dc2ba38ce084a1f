"""The patches of several items applied to one tree. Nothing is merged by guessing."""

import asyncio

from sqlalchemy import Connection
from temporalio import activity

from activities.repositories.listing import first
from activities.repositories.shared import Repositories, guarded
from activities.running.commit import commit_alone, commit_riders
from activities.running.heartbeat import beating
from contracts.repositories import Integrate, Integrated


class Integration:
    """The activity `integrate`."""

    def __init__(self, repositories: Repositories) -> None:
        self._repos = repositories

    @activity.defn
    async def integrate(self, request: Integrate) -> Integrated:
        """Apply several patches to one tree, in order; the first that conflicts is named with its files. Safe to call twice."""
        async with beating():
            integrated, patch = await guarded(asyncio.to_thread(self._integrate, request))
            if patch is None:
                await commit_alone(self._repos.ledger, request)
                return integrated
            return await self._repos.ledger.tx(self._keep_integrated, request, integrated, patch)

    def _integrate(self, request: Integrate) -> tuple[Integrated, bytes | None]:
        mirror = self._repos.mirrors.open(request.start.repository)
        start = tree = self._repos.tree(mirror, request.start)
        for change in request.changes:
            if change.patch is None:
                continue
            applied = mirror.apply(tree, self._repos.patch(change.patch.digest))
            # The first conflict ends it: there is no tree to apply later ones to.
            if applied.tree is None:
                return Integrated(conflicts=first(applied.conflicts), conflict_item=change.item), None
            tree = applied.tree
        return Integrated(tree=tree), mirror.diff(start, tree)

    def _keep_integrated(self, connection: Connection, request: Integrate, integrated: Integrated, patch: bytes) -> Integrated:
        parts = [one.patch.digest for one in request.changes if one.patch is not None]
        made_from = (*request.start.patches, *parts)
        kept = None
        if patch:
            kept = self._repos.keep(
                connection, request.run, patch, "integrated patch", "text/x-diff", sources=("repo",), made_from=made_from
            )
        commit_riders(connection, request)
        return integrated.model_copy(update={"patch": kept})
