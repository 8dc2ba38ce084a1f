"""A ledger as it is after a year: many runs with turns, handoffs, money and feed lines, and some that wait for people."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from benchmarks.provenance import HANDOFFS, TURNS, add, filled, trace_of
from contracts.base import digest_of
from contracts.gates import GateView
from contracts.handoff import Producer
from contracts.pins import Began
from ledger import artifacts
from ledger.db import Ledger, to_us
from ledger.figures.period import day_of
from ledger.tables import (
    action,
    agent_version,
    claim,
    decision,
    edge,
    feed,
    feed_head,
    gate,
    handoff,
    reservation,
    scope,
    seen,
    tool_result,
    turn,
)
from ledger.tables import run as run_row

TABLES = (run_row, turn, tool_result, handoff, claim, seen, gate, decision, action, edge, reservation, scope, feed)
AT_ONCE = 250
"""Runs of one transaction."""

STAGES = ("intake", "plan", "write", "test", "act")
PINS = Began(owner="olga", ceiling_micros=1, policy_digest=digest_of("policy"), agents={}, gates={}).model_dump_json()
HASH = digest_of("no chain is checked here")
YEAR = timedelta(days=365)

LOST = 10
"""Every so many runs one has a call that was lost with its worker, and made again."""

PAID = 1500
"""Micro-dollars of a call."""


@dataclass(frozen=True)
class Year:
    """Runs in the ledger, feed lines of each, and how many of the newest wait at a gate."""

    runs: int = 10_000
    lines: int = 50
    waiting: int = 200


def fill(ledger: Ledger, year: Year) -> float:
    """Write it into an empty ledger. Returns the seconds that it took."""
    began = time.monotonic()
    subject = ledger.tx_now(artifacts.put, ledger.files, b"the change").digest
    now = datetime.now(UTC)
    shared: Counter[str] = Counter()
    for first in range(0, year.runs, AT_ONCE):
        ledger.tx_now(_fill, year, range(first, min(first + AT_ONCE, year.runs)), now, subject, shared)
    ledger.tx_now(_end, year, shared)
    return time.monotonic() - began


def _fill(connection: Connection, year: Year, which: Sequence[int], now: datetime, subject: str, shared: Counter[str]) -> None:
    rows: dict[Table, list[dict[str, Any]]] = {one: [] for one in TABLES}
    for nth in which:
        at = now - YEAR + (nth + 1) * YEAR / (year.runs + 1)
        add(rows, nth, to_us(at))
        _cost(rows, nth, shared)
        _name(rows)
        _tell(rows, nth, year.lines, to_us(at))
        _wait(rows, nth, at, waits=nth >= year.runs - year.waiting, subject=subject)
    for one, some in rows.items():
        if some:
            connection.execute(insert(one), some)


def _cost(rows: dict[Table, list[dict[str, Any]]], nth: int, shared: Counter[str]) -> None:
    """The last run's turns are named, have called a tool, and are paid for: by the run, and by what `shared` counts."""
    for step, row in enumerate(rows[turn][-TURNS:]):
        name, model = f"agent-{(nth + step) % 8}", f"openai:model-{step % 3}"
        row |= {"tokens_in": 1000, "tokens_out": 100, "usd_micros": PAID, "model_asked": model, "chosen": "first"}
        row |= {"agent": f"{name}@v{nth % 3}", "agent_digest": f"{name}-{nth % 3}"}
        paid = {"trace": row["trace"], "path": row["path"], "project": "default", "agent": name, "model": model}
        paid |= {"id": digest_of("paid", row["id"]), "call_key": row["id"], "state": "settled", "amount": 2000, "settled": PAID}
        rows[reservation].append(filled(reservation, scopes="[]", at=row["at"], closed_at=row["at"], **paid))
        rows[tool_result].append(filled(tool_result, turn=row["id"], name="read_file", failed=step % 7 == 0, at=row["at"]))
        day = day_of(row["at"])
        shared.update({f"agent:{name}:{day}": PAID, f"month:{day[:7]}": PAID})
    if nth % LOST == 0:
        lost = {"id": digest_of("lost", row["id"]), "state": "lost", "settled": 2000, "at": row["at"] - 1}
        rows[reservation].append(rows[reservation][-1] | lost)
    rows[scope].append({"id": f"run:{trace_of(nth)}", "ceiling": 1_000_000, "spent": TURNS * PAID, "held": 0})


def _name(rows: dict[Table, list[dict[str, Any]]]) -> None:
    """Who made the last run's handoffs."""
    for row in rows[handoff][-HANDOFFS:]:
        made = Producer(agent=row["agent"], version=row["version"], model=row["model"])
        row |= {"producer": made.stored().decode(), "body": "{}", "contract": "work_result/1"}


def _tell(rows: dict[Table, list[dict[str, Any]]], nth: int, lines: int, at: int) -> None:
    about = {"trace": trace_of(nth), "run": f"deliver-{nth:06}", "project": "default", "inputs": "[]", "outputs": "[]"}
    about |= {"why": "the plan says so", "next": "the tests", "previous_hash": HASH, "hash": HASH}
    for line in range(lines):
        seq = nth * lines + line + 1
        important = "alert" if seq % 500 == 0 else "detail" if line % 3 else "overview"
        row = {"seq": seq, "key": f"line-{seq}", "importance": important, "stage": STAGES[line % 5], "at": at + line}
        rows[feed].append(filled(feed, did=f"wrote shop/file-{seq % 97}.py", actor=f"agent-{line % 8}", **about, **row))


def _wait(rows: dict[Table, list[dict[str, Any]]], nth: int, at: datetime, *, waits: bool, subject: str) -> None:
    row = rows[run_row][-1]
    ended = {"ended_at": to_us(at + timedelta(minutes=10)), "state": "done"}
    row |= {"pipeline": "Delivery", "project": "default", "owner": "olga", "input": '{"instruction": "fix it"}', "pins": PINS}
    row |= {"updated_at": to_us(at), **({"ended_at": None, "state": "waiting", "waiting_for": "change-1"} if waits else ended)}
    view = GateView(
        gate="change-1",
        kind="change",
        revision=1,
        trace=trace_of(nth),
        path="",
        workflow_id=f"deliver-{nth:06}",
        project="default",
        subject=subject,
        title="approve the change: fix it",
        facts=("tests: passed",),
        verbs=("approve", "reject", "request_changes"),
        opened_at=at,
        deadline=datetime.now(UTC) + timedelta(days=1, seconds=nth),
        on_expiry="rejects",
    )
    about = {"view": view.stored().decode(), "subject": subject, "workflow_id": view.workflow_id, "project": "default"}
    state = {"state": "open", "closed_at": None} if waits else {"state": "approve", "closed_at": to_us(at)}
    intents = "[]" if waits else '[{"type": "git.push"}]'
    rows[gate][-1] |= about | state | {"revision": 1, "intents": intents, "deadline": to_us(view.deadline)}
    if not waits:
        made = {"id": f"decision-{nth}", "trace": trace_of(nth), "gate": "change-1", "verb": "approve", "outcome": "won"}
        rows[decision].append(filled(decision, at=to_us(at) + 60_000_000, nonce=None, **made))


def _end(connection: Connection, year: Year, shared: Counter[str]) -> None:
    """What is there once: the number of the last line, the ceilings that runs share, and the agent versions."""
    ceilings = [{"id": name, "ceiling": 10**9, "spent": spent, "held": 0} for name, spent in shared.items()]
    connection.execute(insert(scope), ceilings)
    if connection.execute(select(feed_head.c.id)).first() is None:
        connection.execute(insert(feed_head).values(id=1, seq=0))
    connection.execute(update(feed_head).values(seq=year.runs * year.lines))
    known = [
        {"name": f"agent-{name}", "version": f"v{version}", "digest": f"agent-{name}-{version}", "definition": "{}", "at": 1}
        for name in range(8)
        for version in range(3)
    ]
    connection.execute(insert(agent_version), known)
