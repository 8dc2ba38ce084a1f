"""The adapter of `sql.load`: it opens a load in the target's own table of keys. The rows follow, batch by batch, once each."""

from datetime import datetime

from activities.actions.adapter import TargetRefused
from activities.actions.declared import Targets
from activities.actions.sql_book import claimed, commit, looked_up, opened, prepare
from contracts.actions import Receipt
from contracts.effects.sql_load import SqlLoad
from contracts.effects.targets import SqlTarget
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.intents import Arguments
from contracts.tables import TableSetting


class SqlLoadAdapter:
    """Finds a load by the row of its key. No row is loaded at a target that has no such row: `activities/loads`."""

    permanent: tuple[type[BatonError], ...] = (TargetRefused, Refused, Misconfigured, ContractViolation)

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """The table, and what it holds."""
        wanted = SqlLoad.read(arguments)
        table = table_of(wanted.table, wanted.target, self._targets.get(wanted.target, SqlTarget))
        return (f"{wanted.table}: {table.about}", f"file {wanted.file}, SHA-256 {wanted.digest}", f"plan {wanted.plan}")

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """None: other rows may rest on those that were loaded by now."""
        del arguments, receipt
        return None

    def find(self, arguments: bytes) -> str | None:
        """Look for the row of the key."""
        return looked_up(self._targets, SqlLoad.read(arguments))

    def send(self, arguments: bytes, when: datetime) -> str:
        """Write it, or find that it was written meanwhile."""
        wanted = SqlLoad.read(arguments)
        target = self._targets.get(wanted.target, SqlTarget)
        table_of(wanted.table, wanted.target, target)
        with opened(self._targets, wanted.target, target) as connection:
            prepare(connection, target.table)
            if (there := claimed(connection, target.table, wanted, when)) is not None:
                return there
            return commit(connection, target.table, wanted, wanted.event, f"load of {wanted.rows} rows opened")


def table_of(name: str, target: str, setting: SqlTarget) -> TableSetting:
    """The declared table. Raises `Refused`, naming those that are there."""
    found = setting.tables.get(name)
    if found is None:
        there = ", ".join(sorted(setting.tables)) or "none"
        raise Refused(
            f"the target {target} declares no table {name!r}; it has {there}. Declare it in the worker's baton.toml as "
            f"[targets.{target}.tables.{name}], or name another one"
        )
    return found
