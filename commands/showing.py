"""One run, and one gate's subject, as people look at them."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from commands import queries
from commands.output import Out, clock, left, safe
from commands.telling import gate_lines, how_to_answer, tell_line, usd
from contracts.base import Contract
from contracts.delivery.change import ChangeSubject
from contracts.delivery.plan import Plan
from contracts.errors import ContractViolation
from contracts.gates import GateView
from contracts.handoff import Producer
from contracts.runs import FeedLine
from ledger import actions, artifacts, feed, gates, handoffs, resets, runs
from ledger.db import from_us

if TYPE_CHECKING:
    from config import Settings
    from ledger.db import Ledger

RECENT = 6
"""Feed lines that `show` ends with."""


@dataclass(frozen=True)
class Whole:
    """A run with everything that belongs to it, read in one transaction."""

    row: Row[Any]
    money: queries.Money
    totals: dict[str, int]
    gates: list[tuple[GateView, str]]
    decisions: list[dict[str, Any]]
    handoffs: list[Row[Any]]
    actions: list[Row[Any]]
    feed: list[FeedLine]


def whole(connection: Connection, name: str) -> Whole:
    """All about one run. Raises `NotFound`."""
    row = queries.find_run(connection, name)
    start = queries.seq_before(connection, since=None, last=RECENT, trace=row.trace, project=None)
    return Whole(
        row=row,
        money=queries.money_of(connection, row.trace),
        totals=runs.totals(connection, row.trace),
        gates=[(GateView.model_validate_json(one.view), one.state) for one in queries.gates_of(connection, row.trace)],
        decisions=gates.decisions(connection, row.trace),
        handoffs=handoffs.of_trace(connection, row.trace),
        actions=actions.of_trace(connection, row.trace),
        feed=feed.after(connection, start, trace=row.trace),
    )


def tell(out: Out, found: "Settings", view: Whole) -> None:
    """The run on a page."""
    row, asked = view.row, runs.input_of(view.row)
    run = row.workflow_id
    out.line(f"{run}: {row.state}" + (f" ({row.stage})" if row.stage else ""), "bold")
    money = f"{usd(view.money.spent)} of {usd(view.money.ceiling)} spent, {usd(view.money.held)} held"
    facts = (
        ("asked", safe(asked.get("instruction", ""), 300)),
        ("repository", f"{safe(asked.get('repository', ''))}  base {safe(asked.get('base') or 'its main branch')}"),
        ("owner", f"{safe(row.owner)}  project {safe(row.project)}"),
        ("started", clock(from_us(row.started_at)) + (f"  ended {clock(from_us(row.ended_at))}" if row.ended_at else "")),
        ("waits for", safe(row.waiting_for)),
        ("next", safe(row.next)),
        ("money", f"{money}; {view.totals['calls']} model calls, {view.totals['tokens']} tokens"),
        ("web", f"{found.ui_url}  (workflow {run})"),
    )
    for name, text in facts:
        if text:
            out.line(f"  {name:<11} {text}")
    _tell_gates(out, view)
    _section(out, "handoffs", [_handoff_line(one) for one in view.handoffs])
    _section(out, "actions", [_action_line(one) for one in view.actions])
    if view.feed:
        out.line(f"latest, of `baton feed {run}`:", "bold")
        for line in view.feed:
            tell_line(out, line, brief=out.terminal)


def _tell_gates(out: Out, view: Whole) -> None:
    run, lines = view.row.workflow_id, []
    for gate, state in view.gates:
        if state != "open":
            lines.append(f"{gate.gate:<12} {_how_it_ended(gate.gate, state, view.decisions)}")
            lines += _before_resets(gate.gate, view.decisions)
            continue
        lines += [
            *gate_lines(gate, run),
            *_before_resets(gate.gate, view.decisions),
            "  answer with:",
            *(f"    {one}" for one in how_to_answer(gate, run)),
        ]
        lines.append(f"    baton show {run} --gate {gate.gate}   shows what is decided on")
    _section(out, "gates", lines)


def _how_it_ended(name: str, state: str, decisions: list[dict[str, Any]]) -> str:
    won = next((one for one in decisions if one["gate"] == name and one["outcome"] == "won"), None)
    return state if won is None else _how_decided(state, won)


def _before_resets(name: str, decisions: list[dict[str, Any]]) -> list[str]:
    """What was decided at a gate until the run was reset to before it."""
    former = (one for one in decisions if one["gate"] == name and one["outcome"] == resets.SUPERSEDED)
    return [f"  before a reset, no longer counts: {_how_decided(one['verb'], one)}" for one in former]


def _how_decided(verb: str, one: dict[str, Any]) -> str:
    identity = "" if one["authenticated"] else ", not authenticated"
    note = f": {safe(one['note'])}" if one["note"] else ""
    return f"{verb} by {safe(one['by'])} ({safe(one['channel'] or one['via'])}{identity}){note}"


def _handoff_line(one: Row[Any]) -> str:
    producer = Producer.model_validate_json(one.producer)
    who = f"{producer.agent}@{producer.version}" if producer.version else producer.agent
    return f"{one.path:<28} {one.contract:<18} {one.outcome:<10} {who} {producer.model}  {one.id[:12]}"


def _action_line(one: Row[Any]) -> str:
    return f"{one.type:<12} {one.state:<10} {safe(one.summary)}" + (f": {safe(one.reason)}" if one.reason else "")


def _section(out: Out, name: str, lines: list[str]) -> None:
    if lines:
        out.line(f"{name}:", "bold")
        for line in lines:
            out.line(f"  {line}")


def as_json(view: Whole) -> dict[str, Any]:
    """The run as a document."""
    row = view.row
    names = ("trace", "pipeline", "project", "owner", "state", "stage", "waiting_for", "next")
    parts = {name: getattr(row, name) for name in names}
    return {
        "run": row.workflow_id,
        **parts,
        "input": runs.input_of(row),
        "report": json.loads(row.result) if row.result else None,
        "spent_micros": view.money.spent,
        "held_micros": view.money.held,
        "ceiling_micros": view.money.ceiling,
        **view.totals,
        "gates": [gate.model_dump(mode="json") | {"state": state} for gate, state in view.gates],
        "decisions": [_decision(one) for one in view.decisions],
        "handoffs": [dict(one._mapping) | {"producer": json.loads(one.producer)} for one in view.handoffs],
        "actions": [_action(one) for one in view.actions],
    }


def _decision(one: dict[str, Any]) -> dict[str, Any]:
    names = ("gate", "verb", "by", "note", "subject", "outcome", "reason", "via", "channel", "authenticated")
    return {name: one[name] for name in names} | {"at": from_us(one["at"])}


def _action(one: Row[Any]) -> dict[str, Any]:
    names = ("key", "type", "gate", "summary", "state", "reason", "attempts")
    return {name: getattr(one, name) for name in names} | {"receipt": json.loads(one.receipt) if one.receipt else None}


def show_gate(out: Out, ledger: "Ledger", name: str, gate: str) -> None:
    """A gate, and the artifact that it decides on: the plan's items, the change's diff, or the text as it is."""

    def read(connection: Connection) -> tuple[str, GateView, str, bytes, bytes | None]:
        row = queries.find_run(connection, name)
        view, state = gates.find(connection, row.trace, gate)
        subject = artifacts.get(connection, ledger.files, view.subject)
        change = as_contract(ChangeSubject, subject)
        patch = artifacts.get(connection, ledger.files, change.patch.digest) if change else None
        return row.workflow_id, view, state, subject, patch

    run, view, state, subject, patch = ledger.read_now(read)
    text = patch.decode(errors="replace") if patch is not None else None
    out.document(run=run, state=state, gate=view.model_dump(mode="json"), subject=subject.decode(errors="replace"), diff=text)
    if out.as_json:
        return
    lines = [*gate_lines(view, run), f"  {state}" + (f" ({left(view.deadline)} left)" if state == "open" else ""), ""]
    out.page("\n".join([*lines, *_subject_lines(subject, text), "", *how_to_answer(view, run)]))


def _subject_lines(subject: bytes, diff: str | None) -> list[str]:
    if diff is not None:
        return diff.splitlines()
    plan = as_contract(Plan, subject)
    if plan is None:
        return subject.decode(errors="replace").splitlines()
    lines = [f"plan: {plan.summary}"]
    for item in plan.ordered():
        after = f" (after {', '.join(item.depends_on)})" if item.depends_on else ""
        lines += ["", f"{item.id}{after}: {item.intent}", f"  writes     {', '.join(item.files)}"]
        lines += [f"  accepted   {one.line}" for one in item.acceptance]
        lines += [f"  touches    {', '.join(item.settings)}"] if item.settings else []
    return [*lines, *([""] if plan.risks else []), *(f"risk: {risk}" for risk in plan.risks)]


def as_contract(contract: type[Contract], data: bytes) -> Any:
    """The bytes as this contract, None when they are something else."""
    try:
        return contract.read(data)
    except ContractViolation:
        return None
