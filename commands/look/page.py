"""How one run and one gate's subject are printed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.decide import pausing
from commands.look.pending import Pending
from commands.look.value import decided_after, saved
from commands.output import Out, clock, left, safe
from commands.text import gate_lines, how_to_answer, subject_lines, tell_line, tells_all, usd
from contracts.actions import Receipt
from contracts.printed import command, quoted
from contracts.text import amount
from ledger import resets
from ledger.db import to_us
from ledger.views.asked import asked_of
from ledger.views.details import ActionView, Details, HandoffView
from ledger.views.gates import Decision, Subject

if TYPE_CHECKING:
    from config import Settings

RECENT = 6
"""Feed lines at the end of `baton show`."""


def _labelled(about: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`repository: PATH` as a label and its text."""
    for line in about:
        label, colon, text = line.partition(": ")
        yield (safe(label), safe(text, 300)) if colon else ("", safe(line, 300))


def tell(out: Out, found: "Settings", view: Details, under_way: Sequence[Pending] = (), running: Sequence[str] = ()) -> None:
    """Print the run. `under_way` is what Temporal is doing for it now, `running` what its models and tools are."""
    run, name = view.run, view.run.workflow_id
    asked = asked_of(run.pipeline, run.asked)
    out.line(f"{safe(name, 1000)}: {run.state}" + (f" ({run.stage})" if run.stage else ""), "bold")
    started = f" by {safe(run.asked['by'], 80)}" if run.asked.get("by") else ""
    money = f"{usd(view.money.spent)} of {usd(view.money.ceiling)} spent, {usd(view.money.held)} held"
    facts = (
        ("asked", safe(asked.what, 300)),
        *_labelled(asked.about),
        ("owner", f"{safe(run.owner)}  project {safe(run.project)}"),
        ("trace", run.trace),
        ("started", clock(run.started_at) + started + (f"  ended {clock(run.ended_at)}" if run.ended_at else "")),
        ("retry of", safe(view.retry_of)),
        ("retried as", safe(", ".join(view.retried_as))),
        ("waits for", safe(run.waiting_for)),
        ("next", safe(run.next)),
        *(("paused", pausing.line(one)) for one in view.paused),
        ("money", f"{money}; {amount(view.totals['calls'], 'model call')}, {amount(view.totals['tokens'], 'token')}"),
        ("people", decided_after(view.people)),
        ("saved", saved(view, found.minutes_before)),
        ("web", f"{found.ui_url}  (workflow {safe(name, 1000)})"),
    )
    for label, text in facts:
        if text:
            out.line(f"  {label:<11} {text}")
    _section(out, "just now", list(running))
    tell_pending(out, under_way)
    _tell_gates(out, view)
    _section(out, "handoffs", [_handoff_line(one) for one in view.handoffs])
    _section(out, "actions", [_action_line(one) for one in view.actions])
    if view.feed:
        out.line(f"latest lines of `{command('feed', name)}`:", "bold")
        for line in view.feed:
            tell_line(out, line, brief=out.terminal)


def tell_pending(out: Out, under_way: Sequence[Pending]) -> None:
    """Print what Temporal is doing now; nothing where it is nothing."""
    now = datetime.now(UTC)
    _section(out, "under way in Temporal", [one.line(now) for one in under_way])


def _tell_gates(out: Out, view: Details) -> None:
    run, lines = view.run.workflow_id, []
    for one in view.gates:
        gate = one.view
        if one.state != "open":
            lines.append(f"{gate.gate:<12} {_how_it_ended(gate.gate, one.state, view.decisions)}")
            lines += _before_resets(gate.gate, view.decisions)
            continue
        lines += [
            *gate_lines(gate, run),
            *_before_resets(gate.gate, view.decisions),
            "  answer with:",
            *(f"    {command}" for command in how_to_answer(gate, run)),
        ]
        lines.append(f"    {command('show', run, options=f'--gate {quoted(gate.gate)}')}   shows what you decide on")
    _section(out, "gates", lines)


def _how_it_ended(name: str, state: str, decisions: list[Decision]) -> str:
    won = next((one for one in decisions if one.gate == name and one.outcome == "won"), None)
    return state if won is None else _how_decided(state, won)


def _before_resets(name: str, decisions: list[Decision]) -> list[str]:
    """Decisions at a gate that a reset undid."""
    former = (one for one in decisions if one.gate == name and one.outcome == resets.SUPERSEDED)
    return [f"  before a reset, no longer counts: {_how_decided(one.verb, one)}" for one in former]


def _how_decided(verb: str, one: Decision) -> str:
    note = f": {safe(one.note)}" if one.note else ""
    return f"{verb} by {safe(one.by)} ({safe(one.channel or one.via)}{one.identity}){safe(one.referred, 1100)}{note}"


def _handoff_line(one: HandoffView) -> str:
    producer = one.producer
    who = f"{producer.agent}@{producer.version}" if producer.version else producer.agent
    return f"{one.path:<28} {one.contract:<18} {one.outcome:<10} {who} {producer.model}  {one.id[:12]}"


def _action_line(one: ActionView) -> str:
    done = Receipt.model_validate(one.receipt).by_hand if one.receipt else ""
    line = f"{one.type:<12} {one.state:<10} {safe(one.summary)}" + (f": {safe(one.reason)}" if one.reason else "")
    return f"{line} {safe(done, 2000)}".rstrip()


def _section(out: Out, name: str, lines: list[str]) -> None:
    if lines:
        out.line(f"{name}:", "bold")
        for line in lines:
            out.line(f"  {line}")


def as_json(view: Details) -> dict[str, Any]:
    """The run as JSON fields."""
    run = view.run
    names = ("trace", "pipeline", "project", "owner", "state", "stage", "waiting_for", "next")
    return {
        "run": run.workflow_id,
        **{name: getattr(run, name) for name in names},
        "started_by": run.asked.get("by"),
        "paused": [pausing.as_json(one) for one in view.paused],
        "retry_of": view.retry_of or None,
        "retried_as": view.retried_as,
        "input": run.asked,
        "report": run.report,
        "spent_micros": view.money.spent,
        "held_micros": view.money.held,
        "ceiling_micros": view.money.ceiling,
        **view.totals,
        "decided_after_s": {gate: took // 1_000_000 for gate, took in view.people.each},
        "gates": [one.view.model_dump(mode="json") | {"state": one.state} for one in view.gates],
        "decisions": [asdict(one) for one in view.decisions],
        "handoffs": [_handoff(one) for one in view.handoffs],
        "actions": [_action(one) for one in view.actions],
    }


def _handoff(one: HandoffView) -> dict[str, Any]:
    fields = {name: getattr(one, name) for name in ("id", "path", "contract", "outcome")}
    return fields | {"producer": one.producer.model_dump(mode="json"), "at": to_us(one.at)}


def _action(one: ActionView) -> dict[str, Any]:
    names = ("key", "type", "gate", "summary", "state", "reason", "attempts", "receipt")
    return {name: getattr(one, name) for name in names}


def show_gate(out: Out, found: Subject) -> None:
    """Print a gate and what it decides on: the plan's items, the change's diff, or the plain text."""
    run, view, state = found.run, found.gate.view, found.gate.state
    if out.as_json:
        shown = "".join(f"{line}\n" for line in subject_lines(found))
        diff, other = (None, shown) if found.patch is None else (shown, None)
        # A patch may be in any encoding, and JSON holds text alone: its bytes have to stay recognisable.
        data = found.data.decode(errors="backslashreplace")
        work = {} if found.sheet is None else {"form": found.sheet.form}
        out.document(run=run, state=state, gate=view.model_dump(mode="json"), subject=data, diff=diff, shown=other, **work)
        return
    lines = [*gate_lines(view, run), f"  {state}" + (f" ({left(view.deadline)} left)" if state == "open" else ""), ""]
    # The commands come last: in a pager that is where the reader ends up.
    subject = [] if tells_all(view, found) else [*subject_lines(found), ""]
    commands = how_to_answer(view, run) if state == "open" else ()
    out.page("\n".join([*lines, *subject, *commands]))
