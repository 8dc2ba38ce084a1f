"""What somebody decides on a gate's page: checked, written down, and sent by `Sender`."""

from collections.abc import Mapping
from dataclasses import dataclass

from activities.gates.from_console import CHANNEL
from commands.decide import decision
from contracts.errors import Refused
from contracts.gates import GateView, Verb, needs_note
from ledger import decision_outbox
from ledger.db import Connection

ANSWER = "answer."
"""What the name of a form's field begins with that answers a question."""


@dataclass(frozen=True)
class Form:
    """What can be said at a gate with a form: a verb, and whether it takes a note, a reference or answers to questions."""

    verb: Verb
    label: str
    needs_note: bool


LABELS: Mapping[Verb, str] = {
    "approve": "Approve",
    "reject": "Reject",
    "request_changes": "Request changes",
    "answer": "Answer",
    "done": "I did it",
    "declined": "I will not do it",
    "happened": "It happened",
    "did_not_happen": "It did not happen",
}
"""The verbs that a form can say. Money is raised by a command, which asks how much."""


def forms(view: GateView) -> list[Form]:
    """What can be said at this gate with a form; nothing where it takes a command."""
    if view.ceiling is not None or view.kind == "work":
        return []
    return [Form(verb, LABELS[verb], needs_note(view.kind, verb)) for verb in view.verbs if verb in LABELS]


def decide(connection: Connection, trace: str, gate: str, by: str, fields: Mapping[str, str]) -> str:
    """Write down what a form says, to be sent. Returns its nonce.

    Raises `NotFound`, or `Refused` with the reason: the gate is closed, is about something else than what the form was shown
    with, or does not take this. The same form sent twice is one decision.
    """
    verb, note = fields.get("verb", ""), fields.get("note", "").strip()
    if verb not in LABELS:
        raise Refused(f"{verb!r} is nothing that can be said with a form; nothing was sent")
    said: Verb = verb  # type: ignore[assignment]
    target = decision.find_target(connection, trace, gate, said, by)
    if fields.get("subject") != target.view.subject:
        raise Refused(
            f"{target.view.gate} is about something else than this page showed; look again, then decide. Nothing was sent"
        )
    answers = _answers(target.view, said, fields)
    if needs_note(target.view.kind, said) and not note:
        raise Refused(f"{LABELS[said].lower()}: say why; nothing was sent")
    withdrawn = sum(
        (one.verb, one.by, one.state) == (said, by, "withdrawn")
        for one in decision_outbox.of_gate(connection, target.view.trace, target.view.gate)
    )
    before, reference = target.refused_before + withdrawn, fields.get("reference", "").strip()
    _, values = decision.compose(target.view, said, by, note, answers, before, reference, channel=CHANNEL)
    decision_outbox.put(connection, target.view.trace, said, values)
    return str(values["nonce"])


def _answers(view: GateView, verb: Verb, fields: Mapping[str, str]) -> dict[str, str]:
    """What the form answers. Raises `Refused` where an answer is missing that this verb needs."""
    asked = view.changes if verb == "request_changes" else view.questions if verb in {"approve", "answer"} else ()
    given = {one.id: fields.get(ANSWER + one.id, "").strip() for one in asked}
    missing = [name for name, text in given.items() if not text]
    if missing and verb != "request_changes":
        raise Refused(f"{', '.join(missing)}: give an answer; nothing was sent")
    return {name: text for name, text in given.items() if text}
