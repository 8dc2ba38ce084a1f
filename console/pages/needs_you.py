"""What waits for a person."""

from dataclasses import dataclass
from typing import Any

from commands.text import how_to_answer
from console.pages.asked import RUNS, Asked
from contracts.gates import GateView
from contracts.runbooks import of_gate
from ledger.db import Connection
from ledger.views import runs as run_views
from ledger.views.gates import waiting


@dataclass(frozen=True)
class Waits:
    """An open gate, with the id of its run, the commands that decide it, most likely first, and the name of its runbook."""

    run: str
    view: GateView
    commands: list[str]
    runbook: str


def needs_you(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The open gates, oldest deadline first, and the last decision of a person."""
    del asked
    found = [Waits(run, view, how_to_answer(view, run), of_gate(view.kind)) for run, view in waiting(connection)]
    return {"gates": found, "going": sum(not one.run.has_ended for one in run_views.recent(connection, RUNS))}
