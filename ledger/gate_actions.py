"""The actions that wait for a gate: which take effect when it is approved."""

import json
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from ledger.tables import gate

# As in `ledger/gates.py`.
if TYPE_CHECKING:
    from contracts.intents import Intent


def intents(connection: Connection, trace: str, name: str) -> "list[Intent]":
    """The actions that take effect when this gate is approved."""
    from contracts.intents import Intent

    stored = connection.execute(select(gate.c.intents).where(gate.c.trace == trace, gate.c.gate == name)).scalar()
    return [Intent.model_validate(one) for one in json.loads(stored or "[]")]


def approved(connection: Connection, trace: str, key: str) -> "tuple[str, Intent] | None":
    """The gate of a run family that approved this action, and the action as it was shown there; None if there is none."""
    query = select(gate.c.gate).where(gate.c.trace == trace, gate.c.state == "approve").order_by(gate.c.opened_at.desc())
    for name in connection.execute(query).scalars():
        for intent in intents(connection, trace, name):
            if intent.key == key:
                return name, intent
    return None
