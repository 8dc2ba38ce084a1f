"""What came from a thing, over all runs: the runs that it touched, its effects, and the gates that show something of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from contracts.actions import Receipt
from ledger import handoffs
from ledger.db import rows_with
from ledger.tables import action, gate, run
from ledger.views import identities
from ledger.views.gates import as_contract
from ledger.views.runs import RunView, as_view

LIMIT = 200_000
"""Most things that one answer goes through."""

NEAREST = 100


@dataclass(frozen=True)
class Effect:
    """An action that came from it. `reference` is the target's own id, such as a commit; "" while there is none."""

    key: str
    type: str
    state: str
    summary: str
    run: str
    reference: str


@dataclass(frozen=True)
class Shown:
    """An open gate that shows something of it. `thing` is its id as edges have it."""

    run: str
    gate: str
    thing: str = ""


@dataclass(frozen=True)
class Impact:
    """What came from some things. `things` counts it by kind; `complete` is False where there is more than was looked at.

    `nearest` are the ids of those that came from them by the fewest steps, at most `NEAREST`, without the things themselves.
    """

    things: Counter[str] = field(default_factory=Counter)
    runs: tuple[RunView, ...] = ()
    effects: tuple[Effect, ...] = ()
    gates: tuple[Shown, ...] = ()
    complete: bool = True
    nearest: tuple[str, ...] = ()


def impact_of(connection: Connection, starts: Sequence[str], limit: int = LIMIT) -> Impact:
    """What came from these things (ids as edges have them), which count themselves. Only reads."""
    found = [*dict.fromkeys(starts), *handoffs.downstream(connection, starts, limit)]
    places = identities.places_of(connection, found)
    traces = {one.trace for one in places.values() if one.trace}
    runs = sorted(_runs(connection, traces), key=lambda one: one.started_at, reverse=True)
    names = {one.trace: one.workflow_id for one in runs}
    effects = [_effect(row, names) for row in rows_with(connection, select(action), action.c.key, found)]
    return Impact(
        things=Counter(one.kind for one in places.values()),
        runs=tuple(runs),
        effects=tuple(sorted(effects, key=lambda one: (one.run, one.summary))),
        gates=tuple(_open(connection, found, names)),
        complete=len(found) < limit,
        nearest=tuple(found[len(dict.fromkeys(starts)) :][:NEAREST]),
    )


def again(connection: Connection, before: Impact) -> Impact:
    """The same things as they are by now: the state of each effect, and the gates that are still open. Only reads."""
    names = {run.trace: run.workflow_id for run in before.runs}
    keys = [effect.key for effect in before.effects]
    effects = {row.key: _effect(row, names) for row in rows_with(connection, select(action), action.c.key, keys)}
    gates = tuple(_open(connection, [one.thing for one in before.gates], names))
    return replace(before, effects=tuple(effects[key] for key in keys), gates=gates)


def _runs(connection: Connection, traces: Iterable[str]) -> list[RunView]:
    return [as_view(row) for row in rows_with(connection, select(run), run.c.trace, sorted(traces))]


def _effect(row: Row[Any], names: dict[str, str]) -> Effect:
    receipt = as_contract(Receipt, row.receipt.encode()) if row.receipt else None
    reference = receipt.reference if receipt else ""
    return Effect(row.key, row.type, row.state, row.summary, names.get(row.trace, row.trace), reference)


def _open(connection: Connection, found: Iterable[str], names: dict[str, str]) -> Iterator[Shown]:
    wanted = {one for one in found if "/" in one}
    for row in connection.execute(select(gate.c.trace, gate.c.gate).where(gate.c.state == "open").order_by(gate.c.deadline)):
        if f"{row.trace}/{row.gate}" in wanted:
            yield Shown(names.get(row.trace, row.trace), row.gate, f"{row.trace}/{row.gate}")
