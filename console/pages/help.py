"""Help: what to do about each alert and at each kind of gate, as it comes with the installation."""

from typing import Any

from commands.look.runbook import find
from console.pages.asked import Asked
from contracts.runbooks import runbooks as every_runbook
from ledger.db import Connection


def runbooks(connection: Connection, asked: Asked) -> dict[str, Any]:
    """Every runbook by name."""
    del connection, asked
    return {"runbooks": [{"name": name, "heading": heading} for name, heading in every_runbook().items()]}


def runbook(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One runbook, in its parts."""
    del connection
    found = find(asked.path["name"])
    return {"name": found.name, "heading": found.heading, "parts": found.parts}
