"""How actions of a type were decided in a period: for whoever is asked to loosen what it takes. Only reads."""

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from contracts.text import amount
from ledger.db import now_us
from ledger.tables import action, decision, gate

DAY_US = 86_400 * 1_000_000
QUICK_US = 5 * 1_000_000
"""Whoever decides faster than this has hardly looked."""

_DONE = ("delivered", "done_by_person", "sending", "unknown", "approved")


@dataclass
class Approvals:
    """Figures of one type of action.

    `count` is how many actions came to be. Of the gates that showed one: `unchanged` were approved as they were first shown,
    `changed` after somebody had sent them back, `sent_back` counts those requests and `rejected` the rejections. `undone`
    counts the actions that undo this type. Of those that a person was to do, `by_hand` were done, `referred` of them with a
    reference, and `declined` were not. `waits` is how long each decision took, in microseconds.
    """

    type: str
    days: int
    count: int = 0
    unchanged: int = 0
    changed: int = 0
    sent_back: int = 0
    rejected: int = 0
    undone: int = 0
    by_hand: int = 0
    referred: int = 0
    declined: int = 0
    waits: list[int] = field(default_factory=list)

    @property
    def quick(self) -> int | None:
        """Share of the decisions that took less than five seconds, per mille; None without decisions."""
        return sum(one < QUICK_US for one in self.waits) * 1000 // len(self.waits) if self.waits else None

    @property
    def told(self) -> str:
        """All of it in one line."""
        decided = (
            f"approved {self.unchanged} unchanged and {self.changed} changed, {self.rejected} rejected, {self.undone} undone"
        )
        if self.by_hand or self.declined:
            decided += f"; people did {self.by_hand} themselves ({self.referred} with a reference) and declined {self.declined}"
        time = "nobody decided"
        if self.waits and self.quick is not None:
            took = statistics.median(self.waits) / 1_000_000
            time = f"median {took:.0f} s to decide, {self.quick / 10:.0f} % in under 5 s"
        return f"{self.type}, last {amount(self.days, 'day')}: {amount(self.count, 'action')}; {decided}; {time}"


def approvals_of(
    connection: Connection, types: Sequence[str], days: int, undoes: Mapping[str, str] | None = None
) -> list[Approvals]:
    """Figures of these types. `undoes`: which type undoes which."""
    since = now_us() - days * DAY_US
    found = {name: Approvals(name, days) for name in types}
    rows = connection.execute(select(action.c.type, action.c.state).where(action.c.updated_at >= since)).all()
    made = Counter(row.type for row in rows if row.state in _DONE)
    for name, one in found.items():
        one.count = made[name]
        one.undone = made[undone_by] if (undone_by := (undoes or {}).get(name)) else 0
    # One row for each decision: a gate that was sent back and its successor are two, with the kind in common.
    query = (
        select(
            gate.c.trace,
            gate.c.kind,
            gate.c.path,
            gate.c.intents,
            gate.c.opened_at,
            decision.c.verb,
            decision.c.reference,
            decision.c.at,
        )
        .join(decision, (decision.c.trace == gate.c.trace) & (decision.c.gate == gate.c.gate))
        .where(decision.c.outcome == "won", decision.c.at >= since, gate.c.intents != "[]")
        .order_by(decision.c.at)
    )
    back: set[tuple[str, str, str]] = set()
    for row in connection.execute(query):
        which = (row.trace, row.path, row.kind)
        for name in {one["type"] for one in json.loads(row.intents)} & found.keys():
            _count(found[name], row, was_sent_back=which in back)
        if row.verb == "request_changes":
            back.add(which)
    return list(found.values())


def _count(into: Approvals, row: Any, *, was_sent_back: bool) -> None:
    into.waits.append(max(row.at - row.opened_at, 0))
    if row.verb == "approve":
        into.changed += was_sent_back
        into.unchanged += not was_sent_back
    elif row.verb == "done":
        into.by_hand += 1
        into.referred += bool(row.reference)
    elif row.verb == "declined":
        into.declined += 1
    elif row.verb == "request_changes":
        into.sent_back += 1
    else:
        into.rejected += 1
