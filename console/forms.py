"""What can be said at a gate with a form: the verbs, and the fields of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from commands.decide.forms import STARTS
from console.schema_forms import Field, SchemaForm
from contracts.gates import TAKES_REFERENCE, GateView, Verb, needs_note
from contracts.handoff import Question
from contracts.money import usd
from contracts.pins import Began
from ledger.views.gates import Subject

ANSWER, OTHER = "answer.", "other."
"""What the names of the fields begin with that answer a question: one of its options, or something else."""

MADE, PATCH, AMOUNT, REFERENCE = "made", "patch", "to_usd", "reference"

PLACE, REMARK, REMARKS = "place.", "remark.", 3
"""Fields of words about one place, and how many of them a form has."""

LABELS: Mapping[Verb, str] = {
    "approve": "Approve",
    "reject": "Reject",
    "request_changes": "Request changes",
    "answer": "Answer",
    "raise_ceiling": "Raise the ceiling",
    "stop": "Stop the run",
    "done": "I did it",
    "declined": "I will not do it",
    "happened": "It happened",
    "did_not_happen": "It did not happen",
}
"""The verbs that a form can say."""

KEYS: Mapping[Verb, str] = {"approve": "a", "reject": "r", "request_changes": "c"}
"""The keys that lead to a verb's form on a gate's page. None of them sends anything."""


@dataclass(frozen=True)
class Form:
    """What can be said at a gate with a form. `remarks`: how many words about one place it takes."""

    verb: Verb
    label: str
    needs_note: bool
    key: str = ""
    fields: tuple[Field, ...] = ()
    remarks: int = 0


def forms(found: Subject, pins: Began | None, places: int) -> list[Form]:
    """What can be said at this gate with a form. `places`: how many places of what it shows can be talked about."""
    view = found.gate.view
    # What runs share is raised for all of them: no gate of one run does that.
    shared = view.ceiling is not None and view.ceiling.shared
    said = [verb for verb in view.verbs if verb in LABELS and not (shared and verb == "raise_ceiling")]
    return [
        Form(
            verb=verb,
            label=LABELS[verb],
            needs_note=noted(view, verb),
            key=KEYS.get(verb, ""),
            fields=tuple(_fields(found, verb, pins)),
            remarks=REMARKS if places and verb == "request_changes" else 0,
        )
        for verb in said
    ]


def noted(view: GateView, verb: Verb) -> bool:
    """True if this takes a reason, as it does in a terminal."""
    return needs_note(view.kind, verb) or verb in ("raise_ceiling", "stop")


def work_form(found: Subject) -> SchemaForm | None:
    """The form of an agent's step; None at every gate but `work`."""
    starts = {f"{MADE}.{name}": value for name, value in STARTS.items()}
    return None if found.sheet is None else SchemaForm(found.sheet.form, MADE, starts)


def asked(view: GateView, verb: Verb) -> tuple[Question, ...]:
    """The questions that this verb answers."""
    return view.changes if verb == "request_changes" else view.questions if verb in {"approve", "answer"} else ()


def most_usd(pins: Began | None) -> Decimal | None:
    """The highest ceiling that policy lets a run have, as this run has pinned it; None: as high as one likes."""
    rule = pins.gates.get("ceiling") if pins is not None else None
    return None if rule is None else rule.most_usd


def _fields(found: Subject, verb: Verb, pins: Began | None) -> list[Field]:
    view = found.gate.view
    every = [one for question in asked(view, verb) for one in _question(question, optional=verb == "request_changes")]
    form = work_form(found) if verb == "answer" else None
    if form is not None:
        every += form.fields()
        if view.work is not None and view.work.workspace is not None:
            about = (
                "changes to the step's files, as `git diff --binary` writes them; one with carriage returns takes the command"
            )
            every.append(Field(PATCH, "patch", "area", about, optional=True))
    if verb == "raise_ceiling" and view.ceiling is not None:
        every.append(_amount(view, most_usd(pins)))
    if verb in TAKES_REFERENCE:
        about = "the target's own id for it, such as of a commit, a ticket or a message"
        every.append(Field(REFERENCE, "Reference", "text", about, optional=True))
    return every


def _question(question: Question, *, optional: bool) -> list[Field]:
    name = ANSWER + question.id
    if not question.options:
        return [Field(name, question.text, "area", optional=optional)]
    other = Field(
        OTHER + question.id, f"{question.id}: something else", "text", "counts instead of what is chosen", optional=True
    )
    return [Field(name, question.text, "choice", options=question.options, optional=True), other]


def _amount(view: GateView, most: Decimal | None) -> Field:
    refused = view.ceiling
    assert refused is not None, "only a gate at a ceiling takes an amount"
    needed = max(refused.spent + refused.held + refused.wanted, refused.ceiling)
    about = f"above {usd(refused.ceiling)}, the ceiling now; the call that was refused needs {usd(needed)}"
    about += f"; policy allows at most ${most}" if most is not None else ""
    return Field(AMOUNT, "New ceiling in US dollars (not the increase)", "text", about)
