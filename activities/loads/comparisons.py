"""The activity that compares two files, or two tables of one target."""

import asyncio

from sqlalchemy import Connection
from temporalio import activity

from activities.actions.declared import Targets
from activities.loads.comparing import files_differ
from activities.loads.errors import of_the_input
from activities.loads.examining import table_at
from activities.loads.reconciling import SHOWN, Found, Mending, as_json, summed_up, tables_differ
from activities.loads.sources import Sources
from activities.running.commit import commit_riders
from activities.running.heartbeat import beating
from contracts.effects.targets import SqlTarget
from contracts.load import CompareSides
from contracts.reconcile import Reconciled
from ledger import artifacts
from ledger.db import Ledger


class Comparisons:
    """`compare_sides`, which is safe to call twice."""

    def __init__(self, ledger: Ledger, targets: Targets, sources: Sources) -> None:
        self._ledger, self._targets, self._sources = ledger, targets, sources

    @activity.defn
    async def compare_sides(self, request: CompareSides) -> Reconciled:
        """How the sides differ, and for tables what takes each difference back. Nothing is written at a target.

        Fails as a refused input for a file, table, mapping or key that cannot be used.
        """
        async with beating():
            found, every = await of_the_input(asyncio.to_thread(self._compared, request))
            return await self._ledger.tx(self._keep, request, found, every)

    def _compared(self, request: CompareSides) -> tuple[Reconciled, bytes]:
        asked = request.asked
        if asked.against is not None:
            compared, bad, found, alone = files_differ(self._sources, asked)
            return _listed(compared, bad, found, alone), as_json(found)
        at, name = asked.at
        table, target = table_at(self._targets, at, name), self._targets.get(at, SqlTarget)
        compared, found = tables_differ(self._targets, asked, table)
        mending = Mending(at, target, name, table.setting, table.columns, request.run.trace)
        return summed_up(mending, compared, 0, found), as_json(found)

    def _keep(self, connection: Connection, request: CompareSides, found: Reconciled, every: bytes) -> Reconciled:
        if every:
            kept = artifacts.put(connection, self._ledger.files, every, "application/jsonl")
            at = (request.run.trace, request.run.path)
            artifacts.note_seen(connection, *at, kept.digest, "differences", untrusted=True, sources=("file",))
            found = found.model_copy(update={"artifact": kept.digest})
        commit_riders(connection, request)
        return found


def _listed(compared: int, bad: int, found: Found, alone: str) -> Reconciled:
    shown = tuple(one for one, _ in found[:SHOWN])
    return Reconciled(compared=compared, bad=bad, differences=shown, more=max(len(found) - SHOWN, 0), alone=alone)
