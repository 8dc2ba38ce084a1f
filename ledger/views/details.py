"""One run with everything that belongs to it, and what is new in a run that somebody watches."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from contracts.actions import ActionState
from contracts.gates import GateView
from contracts.handoff import Outcome, Producer
from contracts.pauses import Paused
from contracts.runs import FeedLine
from ledger import actions, feed, gates, handoffs, retries, runs
from ledger.db import from_us
from ledger.figures.value import AtGates, at_gates
from ledger.tables import run
from ledger.views import pauses
from ledger.views.feed import Filter, seq_before
from ledger.views.gates import Decision, Gate, decisions_of, gates_of
from ledger.views.runs import Money, RunView, find_run, money_of, names_of


@dataclass(frozen=True)
class HandoffView:
    """A handoff without its body."""

    id: str
    path: str
    contract: str
    outcome: Outcome
    producer: Producer
    at: datetime


@dataclass(frozen=True)
class ActionView:
    """An effect on the outside world. `receipt` is None until its outcome is known."""

    key: str
    type: str
    gate: str
    summary: str
    state: ActionState
    reason: str
    attempts: int
    receipt: dict[str, Any] | None


@dataclass(frozen=True)
class Details:
    """A run with everything that belongs to it, read in one transaction. `feed` has its newest lines, oldest first.

    `people` is how long its gates waited for whoever decided. `retry_of` is the id of the run that it repeats, or "";
    `retried_as` those that repeat it, itself where it was reset. `paused` are the pauses of more than a run that hold its next
    step, or that of one of its agents.
    """

    run: RunView
    money: Money
    totals: dict[str, int]
    gates: list[Gate]
    decisions: list[Decision]
    handoffs: list[HandoffView]
    actions: list[ActionView]
    feed: list[FeedLine]
    retry_of: str
    retried_as: tuple[str, ...]
    people: AtGates
    paused: list[Paused]


@dataclass(frozen=True)
class Look:
    """A run at one moment. `state` is "" if the ledger does not have it; `report` is None until there is one."""

    state: str
    report: dict[str, Any] | None
    lines: list[FeedLine]
    open: list[GateView]


def details(connection: Connection, name: str, lines: int) -> Details:
    """Everything about the run with this id or prefix, with its newest `lines` feed lines. Raises `NotFound`."""
    found = find_run(connection, name)
    earlier = str(found.asked.get("retry_of") or "")
    start = seq_before(connection, Filter(found.trace), since=None, last=lines)
    return Details(
        run=found,
        money=money_of(connection, found.trace),
        totals=runs.totals(connection, found.trace),
        gates=gates_of(connection, found.trace),
        decisions=decisions_of(connection, found.trace),
        handoffs=[_handoff(row) for row in handoffs.of_trace(connection, found.trace)],
        actions=[_action(row) for row in actions.of_trace(connection, found.trace)],
        feed=feed.after(connection, start, trace=found.trace),
        retry_of=names_of(connection, [earlier]).get(earlier, earlier) if earlier else "",
        retried_as=retries.of(connection, found.trace),
        people=at_gates(connection, found.trace),
        paused=pauses.holding_run(connection, found.trace),
    )


def look(connection: Connection, trace: str, seq: int) -> Look:
    """A run family at one moment: its state, its feed lines after `seq`, its open gates and its report."""
    row = connection.execute(select(run.c.state, run.c.result).where(run.c.trace == trace)).first()
    state, result = ("", "") if row is None else (row.state, row.result)
    return Look(
        state=state,
        report=json.loads(result) if result else None,
        lines=feed.after(connection, seq, trace=trace),
        open=gates.open_gates(connection, trace=trace),
    )


def _handoff(row: Row[Any]) -> HandoffView:
    producer = Producer.model_validate_json(row.producer)
    return HandoffView(row.id, row.path, row.contract, row.outcome, producer, from_us(row.at))


def _action(row: Row[Any]) -> ActionView:
    receipt = json.loads(row.receipt) if row.receipt else None
    fixed = (row.key, row.type, row.gate, row.summary, row.state, row.reason, row.attempts)
    return ActionView(*fixed, receipt)
