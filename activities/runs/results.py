"""Large results of a run that continues as new: into the artifact store and back."""

from sqlalchemy import Connection
from temporalio import activity

from activities.running.commit import commit_riders
from contracts.carried import Keep, Kept, Recall, Recalled
from ledger import artifacts
from ledger.db import Ledger


class Results:
    """The activities `keep_results` and `recall_result`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def keep_results(self, request: Keep) -> Kept:
        """Store each result under its digest. Safe to call twice."""
        return await self._ledger.tx(self._keep, request)

    def _keep(self, connection: Connection, request: Keep) -> Kept:
        files = self._ledger.files
        kept = [artifacts.put(connection, files, one.encode(), "application/json").digest for one in request.results]
        commit_riders(connection, request)
        return Kept(artifacts=tuple(kept))

    @activity.defn
    async def recall_result(self, request: Recall) -> Recalled:
        """Read a stored result back, for the step that made it."""
        data = await self._ledger.read(artifacts.get, self._ledger.files, request.artifact)
        return Recalled(result=data.decode())
