"""What was typed for a decision, and what is asked for where something is missing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commands.decide import handed_in
from commands.errors import Usage
from commands.output import safe
from commands.questions import told, told_if_any

if TYPE_CHECKING:
    from commands.decide.signing import PrivateKey
    from contracts.gates import GateView, Verb
    from contracts.handoff import Question


@dataclass(frozen=True)
class Said:
    """What was typed. `ask`: this is a terminal and --yes was not given. `limit` is in seconds.

    `reference` None: none was given. `key` None: not signed. `made` and `patch` are for gates `work`; `form`: only
    print it empty.
    """

    verb: "Verb"
    by: str
    note: str
    subject: str | None
    answers: dict[str, str]
    reference: str | None
    yes: bool
    ask: bool
    limit: float
    key: "PrivateKey | None"
    prints: bool
    made: "dict[str, Any] | None" = None
    patch: str = ""
    form: bool = False
    drafts: bool = False
    """What is handed in is in no file of whoever sends it."""


def given(reference: str | None) -> str | None:
    """The reference as it was meant. Raises `Usage` for an empty one."""
    if reference is not None and not reference.strip():
        raise Usage("--reference is empty: give the target's own id for it, or leave the option out where there is none")
    return reference and reference.strip()


def files(file: str | None, patch: str | None) -> "dict[str, Any]":
    """What these files hold, as fields of `Said`. Raises `Usage`."""
    if file is None and patch is None:
        return {}
    if file == patch == handed_in.STDIN:
        raise Usage("--file and --patch cannot both be read from stdin; write one of them to a file")
    made = None if file is None else handed_in.read_answer(file)
    text = "" if patch is None else handed_in.read_patch(patch)
    return {"made": made, "patch": text, "drafts": file == handed_in.STDIN}


def answers_in(typed: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in typed:
        # At the first =: an answer, such as a command, may hold more of them.
        name, equals, text = one.partition("=")
        if not equals or not name.strip():
            raise Usage(
                f'--answer {safe(one, 80)!r}: write the question id, =, and the answer, such as --answer check="pytest -q"'
            )
        if name.strip() in found:
            raise Usage(f"--answer: {name.strip()} is answered twice")
        found[name.strip()] = text
    return found


def ask(view: "GateView", said: Said) -> tuple[str, dict[str, str]]:
    """The note and answers, after prompting for whatever is missing."""
    from contracts.gates import needs_note

    note, answers = said.note, dict(said.answers)
    if needs_note(view.kind, said.verb) and not note.strip():
        note = told("why")
    if said.verb in {"approve", "answer"}:
        for question in view.questions:
            if question.id not in answers:
                answers[question.id] = told(_asking(question))
    if said.verb == "request_changes" and not answers:
        named = ((question.id, told_if_any(_asking(question))) for question in view.changes)
        answers = {name: text for name, text in named if text}
    return note, answers


def referred(said: Said) -> str:
    """The reference, after prompting for it where one is usual. Of what somebody only found there often is none."""
    if said.verb != "done" or said.reference is not None:
        return said.reference or ""
    return told_if_any("reference, such as the id of a commit, a ticket or a message")


def _asking(question: "Question") -> str:
    return f"{question.id}: {safe(question.text, 1000)}"
