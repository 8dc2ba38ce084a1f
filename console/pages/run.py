"""One run: just now, why, next, and everything that belongs to it; or what was known of it at one line of its feed."""

from datetime import UTC, datetime
from typing import Any

from commands.subject import Shown, shown_lines
from commands.text import report_of
from console.pages.again import done_again, ended_as_duplicates
from console.pages.asked import Asked, number, told
from console.running import standing_of
from console.then import then
from console.timeline import bars
from contracts.delivery.change import ChangeSubject
from contracts.errors import NotFound
from ledger.artifacts import ArtifactDamaged
from ledger.db import Connection, instant
from ledger.views import steps
from ledger.views.asked import asked_of
from ledger.views.details import Details, details
from ledger.views.feed import check_line
from ledger.views.gates import Subject, as_contract, subject_of

JUST_NOW = 5
"""Feed lines under "Just now"."""

STEPS = 300
"""Most steps on the line of time, the first ones; the feed has all of them."""

DIFF = 200_000
"""Most characters of the diff; the gate's page has all of it."""


def run(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One run as it is now, or with `at` in the query as it was known at that line of the feed."""
    found = details(connection, asked.path["run"], JUST_NOW)
    trace, at = found.run.trace, number(asked.query, "at")
    fixed = {"trace": trace, "name": found.run.workflow_id, "pipeline": found.run.pipeline}
    common = fixed | {"asked": asked_of(found.run.pipeline, found.run.asked)}
    if at is not None:
        check_line(connection, at)
        return common | {"at": then(connection, trace, at)}
    every, standing = steps.steps_of(connection, trace), standing_of(connection, trace)
    return (
        common
        | {
            "at": None,
            "details": found,
            "why": _why(found),
            "waits": [one.view for one in found.gates if one.state == "open"],
            "read": _reading(found),
            "running": standing.under_way,
            "standing": standing.said,
            "going": standing.going,
            "now": instant(connection),
            "retries": [] if found.run.has_ended else steps.retries_of(connection, trace),
            "timeline": bars(every[:STEPS], found.run.ended_at or datetime.now(UTC)),
            "more_steps": max(len(every) - STEPS, 0),
            "confidence": steps.confidence_of(connection, trace),
            "tools": steps.tools_of(connection, trace),
            "costs": steps.costs_of(connection, trace),
            "change": _change(connection, asked, found),
            "temporal_run": steps.run_id_of(connection, trace),
            "duplicates": ended_as_duplicates(connection, asked, trace),
        }
        | done_again(connection, found.run)
    )


def _change(connection: Connection, asked: Asked, found: Details) -> dict[str, Any] | None:
    """The newest change that a gate has shown: its gate, its verdict and its diff; None before there is one."""
    shown = [one for one in found.gates if one.view.kind == "change"]
    if not shown:
        return None
    name = shown[-1].view.gate
    try:
        subject = subject_of(connection, asked.files, found.run.trace, name)
    except (NotFound, ArtifactDamaged) as lost:
        return {"gate": name, "why_not": str(lost), "verdict": "", "report": "", "lines": list[Shown]()}
    return {"gate": name, "why_not": "", "lines": shown_lines(subject, DIFF), **_verdict(subject)}


def _verdict(subject: Subject) -> dict[str, str]:
    """What the checks have shown of the change, and the id of the whole report."""
    change = as_contract(ChangeSubject, subject.data)
    tests = next((fact for fact in subject.gate.view.facts if fact.startswith("tests: ")), "")
    return {"verdict": tests, "report": "" if change is None else change.report}


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
