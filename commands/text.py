"""How feed lines, gates and reports are printed. Text from agents is escaped here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from commands.errors import Code, Usage, is_budget, is_refused_input
from commands.output import Out, box, clock, left, safe
from contracts.diffs import WHOLE
from contracts.known import told
from contracts.printed import command, quoted
from contracts.runbooks import of_gate
from contracts.text import amount

if TYPE_CHECKING:
    from contracts.gates import GateView
    from contracts.reports import Report
    from contracts.runs import FeedLine
    from ledger.views.gates import Subject

COMMAND_OF = {
    "approve": "approve",
    "reject": "reject",
    "request_changes": "request-changes",
    "answer": "answer",
    "happened": "happened",
    "did_not_happen": "did-not-happen",
    "done": "done",
    "declined": "declined",
}
"""The command that sends each verb."""


ONE_FORM = "--as and --json are two forms of one report. Leave one of them out"


def usd(micros: int) -> str:
    """Format micro-dollars as US dollars."""
    from contracts.money import usd as written

    return written(micros)


def tell_line(out: Out, line: "FeedLine", *, brief: bool = False, of: str = "") -> None:
    """Print one feed line: did, why, next; several lines on a terminal, one in a pipe.

    `brief` leaves out next. `of` is the run's id, where lines of several runs stand below each other.
    """
    cost = f"  {usd(line.usd_micros)}" if line.usd_micros else ""
    how = f", {told(line.known)}" if line.known else ""
    who = f"{_set_apart(line.actor)} (via {_set_apart(line.channel)}{how})" if line.channel else line.actor
    run = f"{safe(of)}  " if of else ""
    first = f"{clock(line.at)}  {run}{safe(line.stage, 40):<12}  {safe(who, 160)}: {safe(line.did)}{cost}"
    if not out.terminal:
        why = f"; why: {safe(line.why, 160 if brief else 1000)}" if line.why else ""
        then = f"; next: {safe(line.next)}" if line.next and not brief else ""
        then += f"; help: {command('runbook', line.runbook)}" if line.runbook and not brief else ""
        # `brief` lines accompany a report, which alone belongs on stdout.
        (out.note if out.as_json or brief else out.line)(first + why + then)
        return
    out.line(first, "" if line.importance == "detail" else "bold")
    if line.why:
        out.line(f"{'':10}why   {safe(line.why, 160 if brief else 1000)}", "dim")
    if line.next and not brief:
        out.line(f"{'':10}next  {safe(line.next)}", "dim")
    if line.runbook and not brief:
        out.line(f"{'':10}help  {command('runbook', line.runbook)}", "dim")


def _set_apart(claimed: str) -> str:
    """A name or channel that somebody gave, in quotes where it could be taken for what is said of it here."""
    return repr(claimed) if set("(),'") & set(claimed) else claimed


def gate_lines(view: "GateView", run: str) -> list[str]:
    """A gate as text: title, computed facts, the agent's own words set apart, questions, subject and deadline."""
    lines = [f"GATE {view.gate} of {run}: {safe(view.title, 400)}"]
    lines += [f"  - {safe(fact, 1500)}" for fact in view.facts]
    if view.so_far:
        lines.append(f"  - {safe(view.so_far, 600)}")
    if view.risk:
        lines.append(f"  - risk {safe(view.risk, 600)}")
    if view.narrative:
        lines += box("the agent's own words, unchecked", view.narrative)
    if view.output:
        lines += box("the end of the output", view.output)
    for question in view.questions:
        options = f" ({' | '.join(safe(one, 80) for one in question.options)})" if question.options else ""
        lines.append(f"  ? {question.id}: {safe(question.text, 1000)}{options}")
    for question in view.changes:
        lines.append(f"  ? with request-changes, {question.id}: {safe(question.text, 1000)}")
    lines.append(f"  subject {view.subject}")
    lines.append(f"  open until {clock(view.deadline)} ({left(view.deadline)}); {safe(view.on_expiry)}")
    lines.append(f"  help  {command('runbook', of_gate(view.kind))}")
    return lines


def subject_lines(found: "Subject", limit: int = WHOLE) -> list[str]:
    """What a gate decides on, for reading: the plan's items, the change's diff, or the text. Nothing in it is hidden."""
    from commands.subject import shown_lines

    return [one.text for one in shown_lines(found, limit)]


def tells_all(view: "GateView", found: "Subject") -> bool:
    """Whether the gate's own lines hold all that is decided on, word for word, so that it need not be shown twice."""
    if found.patch is not None or found.plan is not None or found.sheet is not None:
        return False
    shown = "\n".join(gate_lines(view, ""))
    return all(line.strip() in shown for line in subject_lines(found))


def how_to_answer(view: "GateView", run: str) -> list[str]:
    """The exact commands that decide a gate, most likely first."""
    if view.ceiling is not None:
        # Only its own ceiling can be raised at a run's gate; a shared one takes the command for all.
        what = view.ceiling.scope if view.ceiling.shared else run
        raising = command("budget raise", what, options='--to USD -m "why"')
        return [raising, command("budget stop", run, options='-m "why"')]
    closing = [command("models close", *view.breakers, options='-m "why"')] if view.breakers else []
    return closing + [
        command(COMMAND_OF[verb], run, view.gate, options=_needs(view, verb)) for verb in view.verbs if verb in COMMAND_OF
    ]


def _needs(view: "GateView", verb: str) -> str:
    if verb in {"reject", "request_changes"}:
        named = view.changes if verb == "request_changes" else ()
        return " ".join(['-m "why"', *(f"[--answer {quoted(question.id + '=…')}]" for question in named)])
    if view.kind == "held" and verb == "approve":
        return '-m "why"'
    if view.work is not None:
        return "--file FILE" + (" [--patch FILE]" if view.work.workspace is not None else "")
    if verb in {"approve", "answer"}:
        return " ".join(f"--answer {quoted(question.id + '=…')}" for question in view.questions)
    if verb == "done":
        return "[--reference ID]"
    return ""


def tell_report(out: Out, report: Mapping[str, Any]) -> None:
    """Print how a run ended. Each pipeline's report defines its own lines and tables, and in which other forms it can be had.

    Raises `Usage` if the form that was asked for is none of them.
    """
    ended = report_of(report)
    if out.form is not None:
        for line in _in_form(ended, out.form).rstrip("\n").split("\n"):
            out.line(line)
        return
    stamp = "  [scripted model: no real model was used]" if ended.scripted else ""
    stamp += f"  [degraded: no model took part in {amount(len(ended.degraded), 'step')}]" if ended.degraded else ""
    out.line(f"{safe(ended.run, 1000)}: {ended.state}{stamp}", "bold green" if ended.state == "done" else "bold red")
    reading = ended.reading()
    for name, text in (("why", ended.reason), *reading.lines, ("cost", ended.cost)):
        if text:
            out.line(f"  {name:<9} {safe(text, 2000)}")
    for table in reading.tables:
        for name, text in table:
            out.line(f"  {name:<9} {safe(text, 2000)}")
    for one in ended.handed_over:
        out.line(f"  {'relay':<9} {one.state}: {safe(one.summary)}{safe(one.problem and f' ({one.problem})', 1000)}")
        out.line(f"  {'':<9} {safe(one.reference) or command('actions show', one.key[:12])}")


def _in_form(ended: "Report", form: str) -> str:
    from contracts.diagnosis import DiagnosisReport
    from contracts.diagnosis_forms import markdown
    from contracts.review import ReviewReport
    from contracts.review_forms import FORMS

    if form not in ended.forms:
        has = f"; it has {', '.join(ended.forms)}" if ended.forms else "; only reviews and diagnoses have one"
        raise Usage(f"{safe(ended.run, 1000)} has no report in the form {form}{has}. Leave --as out")
    if isinstance(ended, DiagnosisReport):
        return markdown(ended)
    assert isinstance(ended, ReviewReport)
    return FORMS[form](ended)


def tell_state(out: Out, text: str) -> None:
    """Print the state of a run where there is no report to print; to stderr if that was to have a form of its own."""
    (out.line if out.form is None else out.note)(text)


def report_of(report: Mapping[str, Any]) -> "Report":
    """A stored report as its pipeline's contract."""
    from contracts.pipelines import BY_WORKFLOW
    from contracts.reports import Report

    spec = BY_WORKFLOW.get(report.get("pipeline", ""))
    return (spec.report if spec else Report).model_validate(report)


def code_of(state: str, reason: str = "", report: Mapping[str, Any] | None = None) -> Code:
    """The exit code for a run's final state and reason, and for what its report says that it found."""
    if state == "done":
        return Code.FINDINGS if report and report_of(report).falls_short() else Code.DONE
    # Before the state: a refused input ends as could_not, like work that failed.
    if is_refused_input(reason):
        return Code.USAGE
    return Code.BUDGET if is_budget(reason) else Code.FAILED
