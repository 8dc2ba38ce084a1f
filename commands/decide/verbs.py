"""The verbs that people answer gates with: `baton approve`, `reject`, `request-changes`, …"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import DECIDE, Json, Run, can_ask, connect, open_ledger, os_user, settings
from commands.errors import Code, Usage
from commands.output import Out, safe
from commands.text import COMMAND_OF, gate_lines

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
    for verb, effect in _VERBS.items():
        app.command(COMMAND_OF[verb], help=effect, rich_help_panel=DECIDE)(_command(verb))


_VERBS: "dict[Verb, str]" = {
    "approve": "Approve what a gate shows: exactly these bytes.",
    "reject": "Reject what a gate shows; needs -m with the reason.",
    "request_changes": "Send what a gate shows back; -m goes to the agent.",
    "answer": "Answer the questions that a gate asks.",
    "happened": "Say that an action whose outcome nobody knew did happen.",
    "did_not_happen": "Say that an action whose outcome nobody knew did not happen.",
    "done": "Say that you have done what a gate `draft` asks for; -m may say where.",
    "declined": "Say that you will not do what a gate `draft` asks for.",
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
    from commands.decide import decision

    target = ledger.read_now(decision.find_target, run, gate, said.verb, said.by)
    view = target.view
    if said.subject is not None:
        decision.check_subject(view, said.subject)
    elif not said.yes and not said.ask:
        what = f"--subject {view.subject} if that is what you looked at, or --yes to decide unseen"
        raise Usage(f"nobody can be asked here (this is no terminal), so say what you decide on: add {what}")
    for line in gate_lines(view, target.run):
        out.note(line)
    note, answers = _ask(view, said) if said.ask else (said.note, said.answers)
    update_id, values = decision.compose(view, said.verb, said.by, note, answers, target.refused_before)
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
    from commands.decide import decision
    from contracts.errors import Refused

    client = await connect(said.by)
    try:
        with out.waiting(f"{view.gate}: waiting for the workflow's answer"):
            answer = await decision.send(client, view, said.verb, update_id, values, said.limit)
    except decision.Unconfirmed:
        return Code.NO_WORKER, "unconfirmed", f"no worker answered within {said.limit:g} s"
    except Refused as refused:
        if isinstance(refused, decision.RunEnded):
            decision.record_refusal(ledger, view, said.verb, said.by, str(refused), update_id)
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
