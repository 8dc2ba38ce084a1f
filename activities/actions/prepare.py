"""Preparing an action: its arguments are read and checked against what is declared, before any intent of it is written."""

import asyncio
import json
from collections.abc import Mapping
from typing import cast

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.actions.adapter import Adapter, Checks, Named
from activities.actions.git_revert import of_push
from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from contracts.act import PrepareAction, Prepared
from contracts.actions import Receipt
from contracts.base import Contract
from contracts.effects import ARGUMENTS
from contracts.errors import BatonError, LedgerUnavailable, Refused
from contracts.intents import Arguments, Intent
from ledger import actions, artifacts, lineage
from ledger.db import Ledger

UNCHECKED = frozenset({"git.push", "note"})
"""Adapters whose actions are prepared by the stories that perform them: nobody writes their arguments by hand."""


class Preparing:
    """The activity `prepare_action`."""

    def __init__(self, ledger: Ledger, adapters: Mapping[str, Adapter], types: Named, undone_by: Named) -> None:
        """`types` says which adapter each declared type has now, `undone_by` which type takes back which."""
        self._ledger = ledger
        self._adapters = adapters
        self._types = types
        self._undone_by = undone_by

    @activity.defn
    async def prepare_action(self, request: PrepareAction) -> Prepared:
        """Read and check an action's arguments; the target is not asked. Of one that takes another back only that is recorded.

        Fails as a refused input for a type, target or anything at the target that is not declared, and for arguments that its
        adapter does not take.
        """
        try:
            async with beating():
                prepared, undone = await asyncio.to_thread(self._prepared, request)
        except LedgerUnavailable:
            raise
        except BatonError as error:
            raise ApplicationError(str(error), type="InputRefused", non_retryable=True) from None
        if undone:
            await self._ledger.tx(lineage.of_undo, request.run.trace, prepared.intent.arguments, undone)
        await commit_alone(self._ledger, request)
        return prepared

    def _prepared(self, request: PrepareAction) -> tuple[Prepared, str]:
        """The action, and the key of the one that it takes back; "" where it takes none back."""
        name = self._types().get(request.type)
        if name is None:
            table = f'[actions."{request.type}"]'
            raise Refused(f"policy.toml declares no action {request.type!r}; add {table} with its adapter and tier")
        if name in UNCHECKED:
            raise Refused(f"{request.type} is performed by the pipelines that prepare it")
        if request.undo:
            made, undone = self._compensation(request)
            return self._described(request.type, name, made), undone
        found = ARGUMENTS[name].read_typed_by_people(json.loads(request.arguments))
        return self._described(request.type, name, cast("Arguments", found)), ""

    def _described(self, action: str, name: str, arguments: Arguments) -> Prepared:
        stored = arguments.stored()
        facts = cast("Checks", self._adapters[name]).check(stored)
        summary = cast("str", getattr(arguments, "summary")())  # noqa: B009 (each contract of ARGUMENTS but two has one)
        return Prepared(intent=Intent.of(action, arguments, summary), arguments=stored.decode(), facts=facts)

    def _compensation(self, request: PrepareAction) -> tuple[Arguments, str]:
        """The arguments of the action that takes a delivered one back, and the key of that one. Raises `Refused`."""
        row = self._ledger.read_now(actions.beginning_with, request.undo)
        if row is None:
            raise Refused(f"no action has a key that begins with {request.undo}, or several have; give the whole key")
        by = self._undone_by().get(row.type)
        if by != request.type:
            says = f"by {by}" if by else "that nothing takes it back"
            raise Refused(f"policy.toml says of {row.type} {says}, and not by {request.type}")
        if row.state != "delivered":
            raise Refused(f"{row.summary} is {row.state}; only what was delivered is taken back")
        receipt = Receipt.model_validate_json(row.receipt)
        arguments = self._ledger.read_now(artifacts.get, self._ledger.files, row.arguments)
        name = self._types().get(row.type, row.type)
        made = of_push(arguments, receipt) if name == "git.push" else _compensated(self._adapters[name], arguments, receipt)
        if made is None:
            raise Refused(f"nothing is known that takes this back: {row.summary}")
        if not isinstance(made, ARGUMENTS[self._types()[request.type]]):
            raise Refused(f"{row.type} is taken back by {cast('Contract', made).contract}, which {request.type} does not take")
        return made, str(row.key)


def _compensated(adapter: Adapter, arguments: bytes, receipt: Receipt) -> Arguments | None:
    return cast("Checks", adapter).compensation(arguments, receipt) if hasattr(adapter, "compensation") else None
