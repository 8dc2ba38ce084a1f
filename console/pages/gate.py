"""One gate: what it is about, from the very bytes, and what can be said there."""

from typing import Any

from commands.text import how_to_answer, subject_lines
from console.deciding import LABELS, forms
from console.pages.asked import Asked, told
from contracts.runbooks import of_gate
from ledger import decision_outbox
from ledger.db import Connection
from ledger.views.gates import subject_of, winner


def gate(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One gate with the bytes that it is about, as text: the plan's items, the diff, or what it is."""
    found = subject_of(connection, asked.files, asked.path["run"], asked.path["gate"])
    view, state = found.gate.view, found.gate.state
    won = winner(connection, view.trace, view.gate)
    return {
        "run": found.run,
        "view": view,
        "runbook": of_gate(view.kind),
        "state": state,
        "lines": subject_lines(found),
        "is_diff": found.patch is not None,
        "commands_of": how_to_answer(view, found.run) if state == "open" else [],
        "decided": None if won is None else told(won),
        "forms": forms(view) if state == "open" else [],
        "labels": dict(LABELS),
        "sent": decision_outbox.of_gate(connection, view.trace, view.gate),
    }
