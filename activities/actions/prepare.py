"""Preparing an action: its arguments are read and checked against what is declared, before any intent of it is written."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import Connection, Row
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.actions import lines
from activities.actions.adapter import Adapter, Named
from activities.actions.compensation import Compensations, tainted
from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from contracts.act import PrepareAction, Prepared
from contracts.effects.every import ARGUMENTS
from contracts.errors import BatonError, LedgerUnavailable, Refused
from contracts.intents import Arguments
from ledger import actions, artifacts, feed, lineage, proposals
from ledger.db import Ledger

UNCHECKED = frozenset({"git.push", "note"})
"""Adapters whose actions are prepared by the stories that perform them: nobody writes their arguments by hand."""


class Preparing:
    """The activity `prepare_action`."""

    def __init__(self, ledger: Ledger, adapters: Mapping[str, Adapter], types: Named, undone_by: Named) -> None:
        """`types` says which adapter each declared type has now, `undone_by` which type takes back which."""
        self._ledger = ledger
        self._types = types
        self._compensations = Compensations(ledger.files, adapters, types, undone_by)

    @activity.defn
    async def prepare_action(self, request: PrepareAction) -> Prepared:
        """Read and check an action's arguments; the target is not asked. Of one that takes another back only that is recorded,
        and of one that was proposed that this run has begun it.

        Fails as a refused input for a type, target or anything at the target that is not declared, for arguments that its
        adapter does not take, and for what is not proposed any more.
        """
        try:
            async with beating():
                prepared, undone = await asyncio.to_thread(self._prepared, request)
            if request.proposed:
                await self._ledger.tx(_begin, request, prepared)
        except LedgerUnavailable:
            raise
        except BatonError as error:
            raise ApplicationError(str(error), type="InputRefused", non_retryable=True) from None
        if prepared.intent.taint:
            await self._ledger.tx(self._note_sources, request, prepared)
        if undone:
            await self._ledger.tx(lineage.of_undo, request.run.trace, prepared.intent.arguments, undone)
        await commit_alone(self._ledger, request)
        return prepared

    def _prepared(self, request: PrepareAction) -> tuple[Prepared, str]:
        """The action, and the key of the one that it takes back; "" where it takes none back, or was proposed."""
        name = self._types().get(request.type)
        if name is None:
            table = f'[actions."{request.type}"]'
            raise Refused(f"policy.toml declares no action {request.type!r}; add {table} with its adapter and tier")
        if name in UNCHECKED:
            raise Refused(f"{request.type} is performed by the pipelines that prepare it")
        if request.proposed:
            row, kept = self._ledger.read_now(self._proposed, request)
            made = self._compensations.described(request.type, cast("Arguments", ARGUMENTS[name].read(kept)))
            return tainted(made, row), ""
        if request.undo:
            row, arguments = self._ledger.read_now(self._undone, request)
            return tainted(self._compensations.described(request.type, arguments), row), str(row.key)
        found = ARGUMENTS[name].read_typed_by_people(json.loads(request.arguments))
        return self._compensations.described(request.type, cast("Arguments", found)), ""

    def _undone(self, connection: Connection, request: PrepareAction) -> tuple[Row[Any], Arguments]:
        """A delivered action, and the arguments of the one that takes it back. Raises `Refused`."""
        row = _row(connection, request.undo)
        return row, self._compensations.arguments(connection, row, request.type)

    def _proposed(self, connection: Connection, request: PrepareAction) -> tuple[Row[Any], bytes]:
        """What was proposed, and its arguments. Raises `Refused` where it is of another type."""
        row = _row(connection, request.proposed)
        if row.type != request.type:
            raise Refused(f"action {row.key[:12]} ({row.summary}) is of the type {row.type}, not {request.type}")
        return row, artifacts.get(connection, self._ledger.files, row.arguments)

    def _note_sources(self, connection: Connection, request: PrepareAction, prepared: Prepared) -> None:
        """Keep arguments that follow from another run's as text of that run's sources: what decides something in them asks."""
        kept = artifacts.put(connection, self._ledger.files, prepared.arguments.encode(), "application/json")
        at = (request.run.trace, request.run.path, kept.digest, "arguments that follow from another action's")
        artifacts.note_seen(connection, *at, untrusted=True, sources=prepared.intent.taint)


def _row(connection: Connection, beginning: str) -> Row[Any]:
    row = actions.beginning_with(connection, beginning)
    if row is None:
        raise Refused(f"no action has a key that begins with {beginning}, or several have; give the whole key")
    return row


def _begin(connection: Connection, request: PrepareAction, prepared: Prepared) -> None:
    if proposals.begin(connection, request.run, prepared.intent.key):
        feed.append(connection, request.run, [lines.begun(prepared.intent, request.run.trace)])
