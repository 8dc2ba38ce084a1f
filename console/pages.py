"""What the pages show, each read from the ledger in one transaction: the ledger alone, so also while nothing else answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.look.runbook import find
from commands.text import how_to_answer, report_of, subject_lines
from console.deciding import LABELS, forms
from contracts.errors import NotFound
from contracts.gates import GateView
from contracts.runbooks import of_gate
from contracts.runbooks import runbooks as every_runbook
from contracts.runs import FeedLine
from ledger import decision_outbox
from ledger.db import Connection
from ledger.views import runs as run_views
from ledger.views.asked import asked_of
from ledger.views.contents import Contents
from ledger.views.details import Details, details
from ledger.views.feed import Filter, newest
from ledger.views.gates import Decision, subject_of, waiting, winner
from ledger.views.origins import find_start
from ledger.views.runs import Listed, find_run, names_of

LINES = 100
"""Feed lines on a page."""

FILTERS = ("run", "project", "agent", "stage", "find", "at", "alerts", "overview")
"""What the feed's address may ask for."""

RUNS = 100
"""Runs on a page."""

JUST_NOW = 5
"""Feed lines under "Just now"."""


@dataclass(frozen=True)
class Asked:
    """What a request asks for: names in its path, and its query. `files` is the ledger's folder of large artifacts."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    files: Path


Read = Callable[[Connection, Asked], dict[str, Any]]
"""What a page shows, by name: contracts, dataclasses and plain values, the same for its template and for its JSON."""


@dataclass(frozen=True)
class Waits:
    """An open gate, with the id of its run, the commands that decide it, most likely first, and the name of its runbook."""

    run: str
    view: GateView
    commands: list[str]
    runbook: str


@dataclass(frozen=True)
class Told:
    """A feed line, with what names its run."""

    run: str
    line: FeedLine


def needs_you(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The open gates, oldest deadline first, and the last decision of a person."""
    del asked
    found = [Waits(run, view, how_to_answer(view, run), of_gate(view.kind)) for run, view in waiting(connection)]
    return {"gates": found, "going": sum(not one.run.has_ended for one in run_views.recent(connection, RUNS))}


def runs(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The newest runs, of one project if the query names one."""
    project = asked.query.get("project") or None
    rows = run_views.recent(connection, RUNS, project)
    return {
        "runs": rows,
        "asked": [_what(row) for row in rows],
        "project": project,
        "all": run_views.count(connection, project),
    }


def _what(row: Listed) -> str:
    return asked_of(row.run.pipeline, row.run.asked).what


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
    told = [line.why for line in reversed(found.feed) if line.why][:1]
    decided = [one for one in found.decisions if one.outcome == "won"]
    return told + [_decided(one) for one in decided[-1:]]


def _decided(one: Decision) -> str:
    note = f": {one.note}" if one.note else ""
    return f"{one.gate}: {one.verb} by {one.by} ({one.channel or one.via}{one.identity}){note}"


def _reading(found: Details) -> list[tuple[str, str]]:
    """How the run ended, as its pipeline's report says it; nothing until then."""
    if not found.run.report:
        return []
    report = report_of(found.run.report)
    reading = report.reading()
    every = [("why", report.reason), *reading.lines, ("cost", report.cost), *(row for table in reading.tables for row in table)]
    return [(name, text) for name, text in every if text]


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
        "decided": None if won is None else _decided(won),
        "forms": forms(view) if state == "open" else [],
        "labels": dict(LABELS),
        "sent": decision_outbox.of_gate(connection, view.trace, view.gate),
    }


def lines(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The newest lines of the feed, or those before a number, newest first; those that the query asks for."""
    query, before, at = asked.query, _number(asked.query, "before"), _number(asked.query, "at")
    named, overview = query.get("run") or None, query.get("overview") == "1"
    wanted = Filter(
        trace=None if named is None else find_run(connection, named).trace,
        project=query.get("project") or None,
        agent=query.get("agent", ""),
        stage=query.get("stage", ""),
        alerts=query.get("alerts") == "1",
        text=query.get("find", ""),
        until=at or 0,
    )
    found = newest(connection, wanted, LINES, before=before, details=not overview)
    names = names_of(connection, list({line.trace for line in found}))
    return {
        "lines": [Told(names.get(line.trace, line.run or line.trace), line) for line in found],
        "asked": {name: query[name] for name in FILTERS if query.get(name)},
        "earlier": found[-1].seq if len(found) == LINES else None,
    }


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise NotFound(f"{name}={text!r} is no number of a line; the feed's own links have one")
    return int(text)


def read(connection: Connection, asked: Asked) -> dict[str, Any]:
    """The bytes behind an id, as text."""
    wanted = asked.query.get("id", "")
    if not wanted:
        return {"id": "", "kind": "", "label": "", "parts": []}
    origins, start = find_start(connection, wanted)
    found = Contents(connection, asked.files).of(start)
    parts = [{"label": one.label, "bytes": len(one.data), "text": one.data.decode(errors="replace")} for one in found.parts]
    return {"id": found.node.id, "kind": found.node.kind, "label": origins.label(start), "parts": parts}


def runbooks(connection: Connection, asked: Asked) -> dict[str, Any]:
    """Every runbook by name: what to do about each alert and at each kind of gate. They come with the installation."""
    del connection, asked
    return {"runbooks": [{"name": name, "heading": heading} for name, heading in every_runbook().items()]}


def runbook(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One runbook, in its parts."""
    del connection
    found = find(asked.path["name"])
    return {"name": found.name, "heading": found.heading, "parts": found.parts}
