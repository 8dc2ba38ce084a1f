"""The commands that decide at a gate: `baton approve`, `reject`, `request-changes`, …"""

import asyncio
import inspect
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.asking import found
from commands.context import DECIDE, By, Json, WholeRun, Why, can_ask, connect, named, open_ledger, settings
from commands.decide import handed_in
from commands.decide.said import Said, answers_in, ask, files, given, referred
from commands.errors import Code, Usage
from commands.output import Out, safe
from commands.own_key import Sign, own_key
from commands.questions import confirmed
from commands.text import COMMAND_OF, gate_lines, subject_lines, tells_all
from commands.unrecorded import Unrecorded, how
from contracts.printed import command, quoted

if TYPE_CHECKING:
    from commands.decide.decision import Target
    from contracts.gates import GateView, Verb
    from ledger.db import Ledger

SHOWN = 40_000
"""Characters of what is decided on that are printed before the question."""

Gate = Annotated[
    str | None, typer.Argument(metavar="[GATE]", help="Gate id, such as plan-1; optional while only one gate is open.")
]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="SHA", help="Digest of what you looked at; must match the gate's.")
]
Answers = Annotated[list[str] | None, typer.Option("--answer", metavar="ID=TEXT", help="Answer one of the gate's questions.")]
Reference = Annotated[
    str | None,
    typer.Option("--reference", metavar="ID", help="The target's own id for it, such as of a commit, a ticket or a message."),
]
File = Annotated[
    str | None,
    typer.Option("--file", metavar="FILE", help="At a `work` gate: the answer as JSON; - reads it from stdin."),
]
Patch = Annotated[
    str | None,
    typer.Option(
        "--patch", metavar="FILE", help="At a `work` gate that takes one: changed files, as `git diff --binary` does."
    ),
]
FormOnly = Annotated[bool, typer.Option("--form", help="At a `work` gate: print an empty answer to fill in, and send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Key = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="With --sign: the private key; default: your own.")]
Print = Annotated[
    bool, typer.Option("--print", help="With --sign: print what is signed as one JSON object for any client, and send nothing.")
]
Limit = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for the workflow's answer.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    for verb, effect in _VERBS.items():
        app.command(COMMAND_OF[verb], help=effect, rich_help_panel=DECIDE)(_command(verb))


_VERBS: "dict[Verb, str]" = {
    "approve": "Approve exactly the bytes that a gate shows.",
    "reject": "Reject what a gate shows; needs -m with the reason.",
    "request_changes": "Send what a gate shows back; -m tells the agent what to change.",
    "answer": "Answer the questions that a gate asks, or hand in an agent's step at a `work` gate.",
    "happened": "Confirm that an action of unknown outcome happened.",
    "did_not_happen": "Confirm that an action of unknown outcome did not happen.",
    "done": "Confirm that you did what a `draft` gate asks for; -m may say how, --reference where.",
    "declined": "Decline to do what a `draft` gate asks for.",
}


_REFERRING = ("done", "happened")
"""As `TAKES_REFERENCE` of the contracts, which are too slow to load for every command."""


def _command(verb: "Verb") -> Callable[..., None]:
    """The command for one verb; commands differ only in the verb, and in whether there may be a reference."""

    def command(
        run: WholeRun,
        gate: Gate = None,
        by: By = None,
        note: Why = "",
        subject: Subject = None,
        answer: Answers = None,
        reference: Reference = None,
        file: File = None,
        patch: Patch = None,
        form: FormOnly = False,
        yes: Yes = False,
        sign: Sign = False,
        key: Key = None,
        prints: Print = False,
        timeout: Limit = 10.0,
        as_json: Json = False,
    ) -> None:
        who = named("--by", by)
        if not sign and (prints or key is not None):
            raise Usage(f"{'--print' if prints else '--key'} goes with --sign: add it, or leave both out")
        signing = own_key(who, sign=sign, file=key)
        ask = can_ask() and not yes
        said = Said(verb, who, note, subject, answers_in(answer or []), given(reference), yes, ask, timeout, signing, prints)
        said = replace(said, form=form, **files(file, patch))
        with open_ledger(settings()) as ledger:
            code = _decide(Out(as_json=as_json), ledger, run, gate, said)
        raise typer.Exit(int(code))

    whole, others = inspect.signature(command), {"reference"} if verb not in _REFERRING else set()
    others |= {"file", "patch", "form"} if verb != "answer" else set()
    left = [one for name, one in whole.parameters.items() if name not in others]
    command.__signature__ = whole.replace(parameters=left)  # type: ignore[attr-defined]  # Typer reads it there
    return command


def _decide(out: Out, ledger: "Ledger", run: str, gate: str | None, said: Said) -> Code:
    """Show the gate, ask for confirmation on a terminal, and send the decision."""
    from commands.decide import decision
    from contracts.errors import Refused
    from ledger.handed_in import in_message

    if isinstance(there := found(out, ledger, run, whole=True), Unrecorded):
        if there.gate:
            raise Refused(how(there))
        raise Refused(f"{how(there)}; it has no gate yet. `{command('show', there.run)}` says what it waits for")
    try:
        target = ledger.read_now(decision.find_target, run, gate, said.verb, said.by)
    except decision.RunGone as over:
        decision.record_refusal(ledger, over.view, said.verb, said.by, str(over), secrets.token_hex(16))
        raise
    view = target.view
    if said.form:
        out.line(handed_in.blank(ledger, view))
        return Code.DONE
    if said.subject is not None:
        decision.check_subject(view, said.subject)
    elif not said.yes and not said.ask:
        # In a script the subject replaces the confirmation: it proves that the caller knows what is decided on.
        what = f"--subject {view.subject} if that is what you looked at, or --yes to decide without looking"
        raise Usage(f"this is not a terminal, so nobody can confirm: add {what}")
    for line in [*(_subject(ledger, target, said) if said.ask else []), *gate_lines(view, target.run)]:
        out.note(line)
    note, answers = ask(view, said) if said.ask else (said.note, said.answers)
    reference = referred(said) if said.ask else said.reference or ""
    said = _hand_in(out, ledger, target, said)
    more = {"made": said.made, "patch": said.patch}
    if said.patch:
        more = ledger.tx_now(in_message, ledger.files, view, more)
    update_id, values = decision.compose(view, said.verb, said.by, note, answers, target.refused_before, reference, more)
    if said.ask and not confirmed(f"{COMMAND_OF[said.verb]} {view.gate} of {target.run} as {safe(said.by)}?"):
        out.note("nothing was sent")
        return Code.FAILED
    if said.key is not None:
        values = said.key.signed(view, target.intents, said.verb, values)
    fields = {"run": target.run, "gate": view.gate, "verb": said.verb, "by": said.by, "subject": view.subject}
    if said.prints:
        out.document(**fields, outcome="signed", workflow_id=view.workflow_id, decision=values)
        _print(out, view, said, values)
        return Code.DONE
    code, outcome, reason = asyncio.run(_send(out, ledger, view, said, update_id, values))
    out.document(**fields, update_id=update_id, outcome=outcome, reason=reason)
    _tell(out, target.run, said, view, outcome, reason)
    return code


def _hand_in(out: Out, ledger: "Ledger", target: "Target", said: Said) -> Said:
    """The same with what is handed in at a gate `work`, asked for where nothing was given, kept, and checked."""
    view = target.view
    if view.work is None:
        return said
    if said.ask and said.made is None:
        made, patch = handed_in.asked(ledger, view, said.patch)
        said = replace(said, made=made, patch=patch, drafts=True)
    if said.drafts and said.made is not None:
        handed_in.keep(out, settings().state.absolute(), target.run, view, said.made)
    handed_in.check(view, said.made, target.run)
    return said


def _print(out: Out, view: "GateView", said: Said, values: dict[str, object]) -> None:
    """Print a signed decision, and how it is sent without Baton."""
    out.line(json.dumps(values))
    out.note(f"signed, not sent: it counts until {view.gate} closes, from whoever sends it, once. Any client can, such as")
    send = f"temporal workflow update execute -w {quoted(view.workflow_id)} --name {quoted(said.verb)}"
    out.note(f"  {send} --input-file FILE-WITH-THAT-LINE")


def _subject(ledger: "Ledger", target: "Target", said: Said) -> list[str]:
    """What is decided on, before the gate's facts: those stand right above the question. Nothing where they tell it all."""
    from ledger.views.gates import subject_of

    found = ledger.read_now(subject_of, ledger.files, target.run, target.view.gate)
    if tells_all(target.view, found):
        return []
    lines, whole = subject_lines(found, SHOWN), command("show", target.run, options=f"--gate {quoted(target.view.gate)}")
    return [f"WHAT {COMMAND_OF[said.verb]} is about; `{whole}` shows all of it", *(f"  {line}" for line in lines), ""]


async def _send(
    out: Out, ledger: "Ledger", view: "GateView", said: Said, update_id: str, values: dict[str, object]
) -> tuple[Code, str, str]:
    """Send the decision. Returns the exit code, `confirmed`, `refused` or `unconfirmed`, and the reason."""
    from commands.decide import decision
    from contracts.errors import Refused

    client = await connect(said.by, ledger=ledger)
    try:
        with out.waiting(f"{view.gate}: waiting for the workflow's answer"):
            answer = await decision.send(client, view, said.verb, update_id, values, said.limit)
    except decision.Unconfirmed:
        return Code.NO_WORKER, "unconfirmed", f"no worker answered within {said.limit:g} s"
    except Refused as refused:
        if isinstance(refused, decision.RunEnded):
            decision.record_refusal(ledger, view, said.verb, said.by, str(refused), update_id)
        return Code.REFUSED, "refused", f"{refused}{_restored(ledger, view, str(refused))}"
    who = answer.get("approved_by") if answer.get("counts") else None
    more = f"{len(who)} of {view.approvals}: {', '.join(who)}; somebody else has to {said.verb} as well" if who else ""
    return Code.DONE, "confirmed", more or str(answer.get("reason") or "")


def _restored(ledger: "Ledger", view: "GateView", refused: str) -> str:
    """What to do where the run has closed the gate and the ledger has not: that is no gate to decide at; "" elsewhere."""
    from ledger import gates

    # The ledger closes a gate before the run does: one that is open here and closed there is not on its way.
    if (
        not refused.startswith(f"gate {view.gate} is closed: ")
        or ledger.read_now(gates.find, view.trace, view.gate)[1] != "open"
    ):
        return ""
    return ". This ledger is behind the run, such as after a restore from an older backup: `baton doctor` says what to do"


def _tell(out: Out, run: str, said: Said, view: "GateView", outcome: str, reason: str) -> None:
    """Print the outcome and the next command."""
    if outcome == "confirmed":
        if view.work is not None:
            handed_in.draft_of(settings().state.absolute(), view).unlink(missing_ok=True)
        more = f" ({safe(reason)})" if reason else ""
        out.line(f"confirmed: {COMMAND_OF[said.verb]} at {view.gate} of {run} by {safe(said.by)}{more}")
        out.note(f"  next    {command('feed', run, options='--follow')}")
    elif outcome == "refused":
        out.note(f"refused: {safe(reason, 2000)}")
        out.note(f"  next    {command('show', run)}")
    else:
        out.note(f"sent, not confirmed: {reason}. It may still be applied; if you send it again it counts once")
        out.note(f"  next    {command('show', run)}   (`baton doctor` says whether a worker is running)")
