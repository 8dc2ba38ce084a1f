"""What takes an action back: the arguments follow from those of that action and its receipt, the type from policy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Row

from activities.actions.adapter import Adapter, Checks, Named
from activities.actions.git_revert import of_push
from contracts.act import Prepared
from contracts.actions import Receipt
from contracts.base import Contract
from contracts.effects.every import ARGUMENTS
from contracts.errors import Refused
from contracts.intents import Arguments, Intent
from ledger import actions, artifacts


class Compensations:
    """Says what takes an action back. It asks no target, and changes nothing."""

    def __init__(self, files: Path, adapters: Mapping[str, Adapter], types: Named, undone_by: Named) -> None:
        """`types` says which adapter each declared type has now, `undone_by` which type takes back which."""
        self._files = files
        self._adapters = adapters
        self._types = types
        self._undone_by = undone_by

    def of(self, connection: Connection, key: str) -> Prepared:
        """The action that takes back the one with this key, by the type that policy names for it.

        Raises `Refused`, or another error of what is declared, where there is none.
        """
        row = actions.get(connection, key)
        by = self._undone_by().get(row.type)
        if by is None or by not in self._types():
            raise Refused(f"policy.toml names no declared type that takes {row.type} back")
        return tainted(self.described(by, self.arguments(connection, row, by)), row)

    def arguments(self, connection: Connection, row: Row[Any], action: str) -> Arguments:
        """The arguments with which this type takes a delivered action back. Raises `Refused` where it does not."""
        by = self._undone_by().get(row.type)
        if by != action:
            says = f"by {by}" if by else "that nothing takes it back"
            raise Refused(f"policy.toml says of {row.type} {says}, and not by {action}")
        if row.state != "delivered":
            raise Refused(f"{row.summary} is {row.state}; only what was delivered is taken back")
        receipt = Receipt.model_validate_json(row.receipt)
        arguments = artifacts.get(connection, self._files, row.arguments)
        name = self._types().get(row.type, row.type)
        made = of_push(arguments, receipt) if name == "git.push" else _compensated(self._adapters[name], arguments, receipt)
        if made is None:
            raise Refused(f"nothing is known that takes this back: {row.summary}")
        if not isinstance(made, ARGUMENTS[self._types()[action]]):
            raise Refused(f"{row.type} is taken back by {cast('Contract', made).contract}, which {action} does not take")
        return made

    def described(self, action: str, arguments: Arguments) -> Prepared:
        """An action of this type with these arguments, and what a person should know of it. Raises what is not declared."""
        stored = arguments.stored()
        facts = cast("Checks", self._adapters[self._types()[action]]).check(stored)
        summary = cast("str", getattr(arguments, "summary")())  # noqa: B009 (each contract of ARGUMENTS but two has one)
        return Prepared(intent=Intent.of(action, arguments, summary), arguments=stored.decode(), facts=facts)


def tainted(prepared: Prepared, row: Row[Any]) -> Prepared:
    """It, with what flowed into that other action: its arguments follow from those."""
    sources = tuple(row.taint.split(",")) if row.taint else ()
    return prepared.model_copy(update={"intent": prepared.intent.model_copy(update={"taint": sources})})


def _compensated(adapter: Adapter, arguments: bytes, receipt: Receipt) -> Arguments | None:
    return cast("Checks", adapter).compensation(arguments, receipt) if hasattr(adapter, "compensation") else None
