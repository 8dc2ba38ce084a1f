"""One run: just now, why, next, and everything that belongs to it."""

from typing import Any

from commands.text import report_of
from console.pages.asked import Asked, told
from ledger.db import Connection
from ledger.views.asked import asked_of
from ledger.views.details import Details, details

JUST_NOW = 5
"""Feed lines under "Just now"."""


def run(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One run: just now, why, next, and everything that belongs to it."""
    found = details(connection, asked.path["run"], JUST_NOW)
    return {
        "details": found,
        "asked": asked_of(found.run.pipeline, found.run.asked),
        "why": _why(found),
        "waits": [one.view for one in found.gates if one.state == "open"],
        "read": _reading(found),
    }


def _why(found: Details) -> list[str]:
    """What the latest step rests on: its own reason, then what people decided last."""
    latest = [line.why for line in reversed(found.feed) if line.why][:1]
    decided = [one for one in found.decisions if one.outcome == "won"]
    return latest + [told(one) for one in decided[-1:]]


def _reading(found: Details) -> list[tuple[str, str]]:
    """How the run ended, as its pipeline's report says it; nothing until then."""
    if not found.run.report:
        return []
    report = report_of(found.run.report)
    reading = report.reading()
    every = [("why", report.reason), *reading.lines, ("cost", report.cost), *(row for table in reading.tables for row in table)]
    return [(name, text) for name, text in every if text]
