"""What somebody decides on a gate's page: checked, written down, and sent by `Sender`."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from activities.gates.from_console import CHANNEL
from commands.decide import decision
from commands.errors import Usage
from commands.money import ceilings
from commands.subject import shown_lines
from console.forms import (
    AMOUNT,
    ANSWER,
    LABELS,
    OTHER,
    PATCH,
    PLACE,
    REFERENCE,
    REMARK,
    REMARKS,
    asked,
    most_usd,
    noted,
    work_form,
)
from contracts.anchors import noted as with_remarks
from contracts.errors import Refused
from contracts.gates import GateView, Verb
from contracts.hand_in import problem_with
from contracts.money import micros, usd
from contracts.pins import Began
from ledger import decision_outbox, runs
from ledger.db import Connection
from ledger.handed_in import in_message
from ledger.signed_in import SignedIn
from ledger.views.gates import Subject, subject_of


def decide(connection: Connection, files: Path, trace: str, gate: str, by: SignedIn, fields: Mapping[str, str]) -> str:
    """Write down what a form says, and how its person is known, to be sent. Returns its nonce.

    Raises `NotFound`, or `Refused` with the reason: the gate is closed, is about something else than what the form was shown
    with, or does not take this. The same form sent twice is one decision.
    """
    verb = fields.get("verb", "")
    if verb not in LABELS:
        raise Refused(f"{verb!r} is nothing that can be said with a form; nothing was sent")
    said: Verb = verb  # type: ignore[assignment]
    target = decision.find_target(connection, trace, gate, said, by.person)
    if fields.get("subject") != target.view.subject:
        raise Refused(
            f"{target.view.gate} is about something else than this page showed: it changed since you opened it. "
            "Look again, then decide. Nothing was sent"
        )
    found = subject_of(connection, files, target.view.trace, target.view.gate)
    note = _note(found, said, fields)
    if noted(target.view, said) and not note:
        raise Refused(f"{LABELS[said].lower()}: say why; nothing was sent")
    withdrawn = sum(
        (one.verb, one.by, one.state) == (said, by.person, "withdrawn")
        for one in decision_outbox.of_gate(connection, target.view.trace, target.view.gate)
    )
    before, reference = target.refused_before + withdrawn, fields.get(REFERENCE, "").strip()
    more = _more(found, said, fields, runs.find_pins(connection, target.view.trace))
    more = in_message(connection, files, target.view, more)
    answers = _answers(target.view, said, fields)
    _, values = decision.compose(target.view, said, by.person, note, answers, before, reference, more, channel=CHANNEL)
    decision_outbox.put(connection, target.view.trace, said, values, by.way)
    return str(values["nonce"])


def _note(found: Subject, verb: Verb, fields: Mapping[str, str]) -> str:
    """What was said about the whole, and about places of it. Raises `Refused` for a place that was not shown."""
    # A browser ends the lines of a form's text with both.
    words = fields.get("note", "").replace("\r\n", "\n").strip()
    if verb != "request_changes":
        return words
    numbers = range(1, REMARKS + 1)
    rows = [
        (fields.get(f"{PLACE}{n}", "").strip(), fields.get(f"{REMARK}{n}", "").replace("\r\n", "\n").strip()) for n in numbers
    ]
    given = [row for row in rows if any(row)]
    known = {one.place for one in shown_lines(found) if one.place} if given else set()
    for place, text in given:
        if place not in known:
            named = f"{place!r} is no place of what {found.gate.view.gate} shows" if place else f"{text[:80]!r} names no place"
            raise Refused(f"{named}: choose one, such as {min(known, default='(there is none)')}. Nothing was sent")
        if not text:
            raise Refused(f"{place}: say what should be different there; nothing was sent")
    return with_remarks(words, given)


def _answers(view: GateView, verb: Verb, fields: Mapping[str, str]) -> dict[str, str]:
    """What the form answers. Raises `Refused` where an answer is missing that this verb needs."""
    given = {
        one.id: (fields.get(OTHER + one.id, "").strip() or fields.get(ANSWER + one.id, "").strip()) for one in asked(view, verb)
    }
    missing = [name for name, text in given.items() if not text]
    if missing and verb != "request_changes":
        raise Refused(f"{', '.join(missing)}: give an answer; nothing was sent")
    return {name: text.replace("\r\n", "\n") for name, text in given.items() if text}


def _more(found: Subject, verb: Verb, fields: Mapping[str, str], pins: Began | None) -> dict[str, Any]:
    """The other fields of the decision: what is handed in at a gate `work`, or the new ceiling."""
    if verb == "raise_ceiling":
        return {"to_usd": str(_amount(found.gate.view, fields.get(AMOUNT, ""), most_usd(pins)))}
    form = work_form(found) if verb == "answer" else None
    work = found.gate.view.work
    if form is None or work is None:
        return {}
    made = form.value(fields)
    # An agent that could not do it has no result either, whatever stands in the fields.
    made = made | {"body": None} if made["outcome"] == "could_not" else made
    if problem := problem_with(work.returns, made):
        raise Refused(f"nothing was sent: {problem}")
    return {"made": made, "patch": fields.get(PATCH, "").replace("\r\n", "\n") if work.workspace is not None else ""}


def _amount(view: GateView, typed: str, most: Decimal | None) -> Decimal:
    """The new ceiling. Raises `Refused` for what is no amount, and for one that the run, or policy, would refuse."""
    try:
        wanted = ceilings.amount(typed)
    except Usage:
        raise Refused(f"{typed[:40]!r} is no amount in US dollars: write a number above 0, such as 40 or 2.50") from None
    now = view.ceiling.ceiling if view.ceiling is not None else 0
    if micros(wanted) <= now:
        raise Refused(f"the ceiling is {usd(now)}, and ${wanted} is not above that; name a higher one. Nothing was sent")
    if most is not None and wanted > most:
        raise Refused(f"policy allows a run at most ${most}, not ${wanted}; nothing was sent")
    return wanted
