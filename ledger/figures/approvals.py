"""How actions of a type were decided in a period: for whoever is asked to loosen what it takes. Only reads."""

import json
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, true

from contracts.text import amount
from ledger.db import from_us, now_us
from ledger.figures.period import Period
from ledger.tables import action, decision, edge, gate, run

DAY_US = 86_400 * 1_000_000
QUICK_US = 5 * 1_000_000
"""Whoever decides faster than this has hardly looked."""

_DONE = ("delivered", "done_by_person", "sending", "unknown", "approved")


@dataclass
class Approvals:
    """Figures of one type of action.

    `count` is how many actions came to be. Of the gates that showed one: `unchanged` were approved as they were first shown,
    `changed` after somebody had sent them back, `sent_back` counts those requests and `rejected` the rejections. `undone` is
    how many of the type another action took back. Of those that a person was to do, `by_hand` were done, `referred` of them
    with a reference, and `declined` were not. `waits` is how long each decision took, in microseconds.
    """

    type: str
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
    def median(self) -> float | None:
        """Seconds that half of the decisions took at most; None without decisions."""
        return statistics.median(self.waits) / 1_000_000 if self.waits else None

    def told(self, days: int) -> str:
        """All of it in one line, of so many days."""
        decided = (
            f"approved {self.unchanged} unchanged and {self.changed} changed, {self.rejected} rejected, {self.undone} undone"
        )
        if self.by_hand or self.declined:
            decided += f"; people did {self.by_hand} themselves ({self.referred} with a reference) and declined {self.declined}"
        time = "nobody decided"
        if self.median is not None and self.quick is not None:
            time = f"median {self.median:.0f} s to decide, {self.quick / 10:.0f} % in under 5 s"
        return f"{self.type}, last {amount(days, 'day')}: {amount(self.count, 'action')}; {decided}; {time}"


def approvals_of(connection: Connection, types: Sequence[str], days: int) -> list[Approvals]:
    """Figures of these types in the days until now."""
    now = now_us()
    found = decided(connection, Period(from_us(now - days * DAY_US), from_us(now + DAY_US)), types)
    return [found.get(name, Approvals(name)) for name in types]


def decided(
    connection: Connection, period: Period, types: Collection[str] | None = None, project: str | None = None
) -> dict[str, Approvals]:
    """Figures of the types (None: of all) of which there was an action or a decision in the period, by name."""
    found = _Found(types)
    of = true() if project is None else action.c.trace.in_(select(run.c.trace).where(run.c.project == project))
    here = (action.c.updated_at >= period.since_us, action.c.updated_at < period.until_us)
    for row in connection.execute(select(action.c.type).where(action.c.state.in_(_DONE), *here, of)):
        if (one := found.of(row.type)) is not None:
            one.count += 1
    for name in _undone(connection, period, of):
        if (one := found.of(name)) is not None:
            one.undone += 1
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
        .where(decision.c.outcome == "won", gate.c.intents != "[]")
        .where(decision.c.at >= period.since_us, decision.c.at < period.until_us)
        .where(true() if project is None else gate.c.project == project)
        .order_by(decision.c.at)
    )
    back: set[tuple[str, str, str]] = set()
    for row in connection.execute(query):
        which = (row.trace, row.path, row.kind)
        for name in sorted({one["type"] for one in json.loads(row.intents)}):
            if (one := found.of(name)) is not None:
                _count(one, row, was_sent_back=which in back)
        if row.verb == "request_changes":
            back.add(which)
    return {name: found.all[name] for name in sorted(found.all)}


class _Found:
    """Figures by type, of the types that are asked for."""

    def __init__(self, types: Collection[str] | None) -> None:
        self.all: dict[str, Approvals] = {}
        self._types = types

    def of(self, name: str) -> Approvals | None:
        if self._types is not None and name not in self._types:
            return None
        return self.all.setdefault(name, Approvals(name))


def _undone(connection: Connection, period: Period, of: ColumnElement[bool]) -> list[str]:
    """The type of each action that another one took back in the period, once however often that was."""
    by = action.alias("by")
    query = (
        select(action.c.key, action.c.type)
        .join(edge, (edge.c.parent == action.c.key) & (edge.c.relation == "undoes"))
        .join(by, by.c.trace + "/" + by.c.arguments == edge.c.child)
        .where(by.c.state.in_(("delivered", "done_by_person")), by.c.updated_at >= period.since_us, of)
        .where(by.c.updated_at < period.until_us)
        .distinct()
    )
    return [row.type for row in connection.execute(query)]


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
