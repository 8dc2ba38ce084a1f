"""`baton gates`, and the verbs that people answer them with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import DECIDE, Json, Project, Run, can_ask, connect, open_ledger, os_user, settings
from commands.errors import Code, NothingYet, Usage
from commands.output import Out, left, safe
from commands.telling import COMMAND_OF, gate_lines, how_to_answer

if TYPE_CHECKING:
    from contracts.gates import GateView, Verb
    from ledger.db import Ledger

Gate = Annotated[
    str | None, typer.Argument(metavar="[GATE]", help="Id of the gate, such as plan-1; may be left out while one is open.")
]
By = Annotated[str | None, typer.Option("--by", help="Who decides; default: the user of this terminal.")]
Note = Annotated[str, typer.Option("--message", "-m", help="Why.")]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="SHA", help="Digest of what was looked at; must be the gate's.")
]
Answers = Annotated[list[str] | None, typer.Option("--answer", metavar="ID=TEXT", help="Answer to a question of the gate.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Decide without being asked again.")]
Limit = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for the workflow's answer.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command(rich_help_panel=DECIDE)(gates)
    for verb, effect in _VERBS.items():
        app.command(COMMAND_OF[verb], help=effect, rich_help_panel=DECIDE)(_command(verb))


_VERBS: "dict[Verb, str]" = {
    "approve": "Approve what a gate shows: exactly these bytes.",
    "reject": "Reject what a gate shows; needs -m with the reason.",
    "request_changes": "Send what a gate shows back; -m goes to the agent.",
    "answer": "Answer the questions that a gate asks.",
    "happened": "Say that an action whose outcome nobody knew did happen.",
    "did_not_happen": "Say that an action whose outcome nobody knew did not happen.",
}


@dataclass(frozen=True)
class Said:
    """What was typed. `ask`: somebody sits at a terminal and did not say --yes."""

    verb: "Verb"
    by: str
    note: str
    subject: str | None
    answers: dict[str, str]
    yes: bool
    ask: bool
    limit: float


def _command(verb: "Verb") -> Callable[..., None]:
    """The command for one verb: they differ in nothing else."""

    def command(
        run: Run,
        gate: Gate = None,
        by: By = None,
        note: Note = "",
        subject: Subject = None,
        answer: Answers = None,
        yes: Yes = False,
        timeout: Limit = 10.0,
        as_json: Json = False,
    ) -> None:
        said = Said(verb, by or os_user(), note, subject, _answers(answer or []), yes, can_ask() and not yes, timeout)
        with open_ledger(settings()) as ledger:
            code = _decide(Out(as_json=as_json), ledger, run, gate, said)
        raise typer.Exit(int(code))

    return command


def _decide(out: Out, ledger: "Ledger", run: str, gate: str | None, said: Said) -> Code:
    """Show what is decided on, ask where somebody can be asked, and send."""
    from commands import deciding

    target = ledger.read_now(deciding.find_target, run, gate, said.verb, said.by)
    view = target.view
    if said.subject is not None:
        deciding.check_subject(view, said.subject)
    elif not said.yes and not said.ask:
        what = f"--subject {view.subject} if that is what you looked at, or --yes to decide unseen"
        raise Usage(f"nobody can be asked here (this is no terminal), so say what you decide on: add {what}")
    for line in gate_lines(view, target.run):
        out.note(line)
    note, answers = _ask(view, said) if said.ask else (said.note, said.answers)
    update_id, values = deciding.compose(view, said.verb, said.by, note, answers, target.refused_before)
    if said.ask and not typer.confirm(f"{COMMAND_OF[said.verb]} {view.gate} of {target.run} as {said.by}?", err=True):
        out.note("nothing was sent")
        return Code.FAILED
    fields = {"run": target.run, "gate": view.gate, "verb": said.verb, "by": said.by, "subject": view.subject}
    code, outcome, reason = asyncio.run(_send(out, ledger, view, said, update_id, values))
    out.document(**fields, update_id=update_id, outcome=outcome, reason=reason)
    _tell(out, target.run, said, view, outcome, reason)
    return code


async def _send(
    out: Out, ledger: "Ledger", view: "GateView", said: Said, update_id: str, values: dict[str, object]
) -> tuple[Code, str, str]:
    """Exit code, which of the three answers it is, and the reason that came with it."""
    from commands import deciding
    from contracts.errors import Refused

    client = await connect(said.by)
    try:
        with out.waiting(f"{view.gate}: waiting for the workflow's answer"):
            answer = await deciding.send(client, view, said.verb, update_id, values, said.limit)
    except deciding.Unconfirmed:
        return Code.NO_WORKER, "unconfirmed", f"no worker answered within {said.limit:g} s"
    except Refused as refused:
        if isinstance(refused, deciding.RunEnded):
            deciding.record_refusal(ledger, view, said.verb, said.by, str(refused), update_id)
        return Code.REFUSED, "refused", str(refused)
    return Code.DONE, "confirmed", str(answer.get("reason") or "")


def _tell(out: Out, run: str, said: Said, view: "GateView", outcome: str, reason: str) -> None:
    """Which of the three answers it is, and what to do now."""
    if outcome == "confirmed":
        more = f" ({safe(reason)})" if reason else ""
        out.line(f"confirmed: {COMMAND_OF[said.verb]} at {view.gate} of {run} by {safe(said.by)}{more}")
        out.note(f"  next    baton feed {run} --follow")
    elif outcome == "refused":
        out.note(f"refused: {safe(reason, 2000)}")
        out.note(f"  next    baton show {run}")
    else:
        out.note(f"sent, not confirmed: {reason}. It may still be applied; sent again it counts once")
        out.note(f"  next    baton show {run}   (`baton doctor` says whether a worker is there)")


def _answers(typed: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in typed:
        name, equals, text = one.partition("=")
        if not equals or not name.strip():
            raise Usage(
                f'--answer {safe(one, 80)!r}: write the question\'s id, =, and the answer, such as --answer check="pytest -q"'
            )
        if name.strip() in found:
            raise Usage(f"--answer: {name.strip()} is answered twice")
        found[name.strip()] = text
    return found


def _ask(view: "GateView", said: Said) -> tuple[str, dict[str, str]]:
    """Note and answers, what is missing asked for on the terminal."""
    from contracts.gates import NEEDS_NOTE

    note, answers = said.note, dict(said.answers)
    if said.verb in NEEDS_NOTE and not note.strip():
        note = typer.prompt("why", err=True)
    if said.verb in {"approve", "answer"}:
        for question in view.questions:
            if question.id not in answers:
                answers[question.id] = typer.prompt(f"{question.id}: {safe(question.text, 1000)}", err=True)
    return note, answers


def gates(project: Project = None, as_json: Json = False) -> None:
    """List what waits for a person, the most urgent first, with the commands that answer it."""
    out = Out(as_json=as_json)
    try:
        with open_ledger(settings()) as ledger:
            from ledger.views.gates import waiting as open_gates

            waiting = ledger.read_now(open_gates, project)
    except NothingYet as nothing:
        out.note(str(nothing))
        waiting = []
    out.document(
        gates=[view.model_dump(mode="json") | {"run": run, "commands": how_to_answer(view, run)} for run, view in waiting]
    )
    if not waiting:
        out.note("nothing waits for a person")
        return
    out.table(("RUN", "GATE", "LEFT", "RISK", "WHAT", "SUBJECT"), [_row(run, view) for run, view in waiting])
    run, view = waiting[0]
    out.note(f"  next    baton show {run} --gate {view.gate}   then {how_to_answer(view, run)[0]}")


def _row(run: str, view: "GateView") -> list[str]:
    risk = view.risk.split(":")[0] or "-"
    return [run, view.gate, left(view.deadline), risk, safe(view.title, 70), view.subject[:12]]
