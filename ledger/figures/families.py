"""Run families as figures read them: in batches, so that memory stays bounded."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, select

from ledger.figures.period import Period
from ledger.tables import edge, gate, handoff, reservation, run, turn

AT_ONCE = 200
"""Run families in memory at the same time."""


class Run(NamedTuple):
    """A run's row."""

    trace: str
    workflow_id: str
    pipeline: str
    project: str
    state: str
    started_at: int
    ended_at: int | None


class Reserved(NamedTuple):
    """A reservation: one attempt of a call."""

    of: str
    id: str
    call_key: str
    path: str
    project: str
    agent: str
    model: str
    error: str
    state: str
    amount: int
    settled: int
    at: int


class Replied(NamedTuple):
    """A turn. `unusable` is True where its reply had a problem."""

    of: str
    id: str
    parent: str
    path: str
    agent: str
    model_asked: str
    usd_micros: int
    flagged: bool
    tokens_in: int
    tokens_out: int
    tokens_cache_read: int
    tokens_cache_write: int
    tokens_reasoning: int
    latency_ms: int
    cached: bool
    chosen: str
    at: int
    unusable: bool


class HandedOn(NamedTuple):
    """A handoff. `degraded` is True where a fallback made it."""

    of: str
    id: str
    path: str
    digest: str
    outcome: str
    at: int
    degraded: bool


class Asked(NamedTuple):
    """A gate."""

    of: str
    path: str
    kind: str
    revision: int
    subject: str
    state: str


class Derived(NamedTuple):
    """A handoff and what it was made from."""

    of: str
    child: str
    parent: str


@dataclass
class Family:
    """Everything that figures need of one run family. `run` is None for calls whose run is unknown."""

    trace: str
    run: Run | None = None
    reservations: list[Reserved] = field(default_factory=list)
    turns: list[Replied] = field(default_factory=list)
    handoffs: list[HandedOn] = field(default_factory=list)
    gates: list[Asked] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)


T = TypeVar("T", Reserved, Replied, HandedOn)

_RUN = tuple(run.c[name] for name in Run._fields)
_RESERVED = tuple(reservation.c[name] for name in Reserved._fields if name != "of")
_REPLIED = (*(turn.c[name] for name in Replied._fields if name not in ("of", "unusable")), turn.c.problem != "")
_HANDED_ON = (
    *(handoff.c[name] for name in HandedOn._fields if name not in ("of", "degraded")),
    handoff.c.body.contains('"degraded":"'),  # inside a text value the quotes would be escaped
)
_ASKED = tuple(gate.c[name] for name in Asked._fields if name != "of")


def families(connection: Connection, period: Period) -> Iterator[Family]:
    """Every run family with a reservation or a turn in this period, complete; last the calls whose run is unknown."""
    return others_of(connection, period, _traces(connection, period))


def others_of(connection: Connection, period: Period, traces: Sequence[str]) -> Iterator[Family]:
    """These run families, complete; last the calls in this period whose run is unknown."""
    yield from families_of(connection, traces)
    orphans = [Reserved._make(row) for row in connection.execute(_orphans(period)).all()]
    if orphans:
        yield Family("", reservations=orphans)


def families_of(connection: Connection, traces: Sequence[str]) -> Iterator[Family]:
    """These run families, complete."""
    for at in range(0, len(traces), AT_ONCE):
        yield from _read(connection, traces[at : at + AT_ONCE])


def _traces(connection: Connection, period: Period) -> list[str]:
    at = reservation.c.at
    reserved = select(reservation.c.trace).where(at >= period.since_us, at < period.until_us, reservation.c.trace != "")
    answered = select(turn.c.trace).where(turn.c.at >= period.since_us, turn.c.at < period.until_us)
    before = (  # reservations from releases that did not record the run
        select(turn.c.trace)
        .join(reservation, reservation.c.call_key == turn.c.id)
        .where(at >= period.since_us, at < period.until_us, reservation.c.trace == "")
    )
    return sorted(connection.execute(reserved.union(answered, before)).scalars())


def _orphans(period: Period) -> Select[Any]:
    at = reservation.c.at
    lone = select(reservation.c.trace, *_RESERVED).outerjoin(turn, turn.c.id == reservation.c.call_key)
    return lone.where(reservation.c.trace == "", at >= period.since_us, at < period.until_us, turn.c.id.is_(None))


def _read(connection: Connection, traces: Sequence[str]) -> list[Family]:
    found = {trace: Family(trace) for trace in traces}

    def rows(query: Select[Any], of: ColumnElement[str], make: Callable[[Iterable[Any]], Any]) -> Iterator[Any]:
        return map(make, connection.execute(query.where(of.in_(traces))).all())

    unnamed = select(turn.c.trace, *_RESERVED).join(turn, turn.c.id == reservation.c.call_key)
    for row in rows(select(*_RUN), run.c.trace, Run._make):
        found[row.trace].run = row
    for row in rows(select(turn.c.trace, *_REPLIED), turn.c.trace, Replied._make):
        found[row.of].turns.append(row)
    for row in rows(select(reservation.c.trace, *_RESERVED), reservation.c.trace, Reserved._make):
        found[row.of].reservations.append(row)
    for row in rows(unnamed.where(reservation.c.trace == ""), turn.c.trace, Reserved._make):
        found[row.of].reservations.append(row)
    for row in rows(select(handoff.c.trace, *_HANDED_ON), handoff.c.trace, HandedOn._make):
        found[row.of].handoffs.append(row)
    for row in rows(select(gate.c.trace, *_ASKED), gate.c.trace, Asked._make):
        found[row.of].gates.append(row)
    _read_derived(connection, found)
    return list(found.values())


def _read_derived(connection: Connection, found: dict[str, Family]) -> None:
    """Read what handoffs were made from, of the families in which that matters."""
    # Those with a gate that was asked again: edges are many, and without one no handoff was replaced.
    traces = [family.trace for family in found.values() if any(row.revision > 1 for row in family.gates)]
    if not traces:
        return
    query = select(handoff.c.trace, edge.c.child, edge.c.parent).join(edge, edge.c.child == handoff.c.id)
    query = query.where(edge.c.relation == "derived", handoff.c.trace.in_(traces))
    for row in map(Derived._make, connection.execute(query).all()):
        found[row.of].derived.append(row)


def label(agent: str) -> str:
    """An agent version as people write it, without "(scripted)": planner@v1."""
    return agent.partition(" ")[0]


def versions(family: Family) -> dict[str, str]:
    """The version of each agent that has a turn in this family, by the agent's name."""
    return {label(row.agent).partition("@")[0]: label(row.agent) for row in family.turns}


def by_path(rows: Iterable[T]) -> dict[str, list[T]]:
    """Rows of one family by their step, oldest first."""
    found: dict[str, list[T]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.at, row.id)):
        found[row.path].append(row)
    return found
