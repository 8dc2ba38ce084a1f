"""Text from outside that a run family has seen: which sources, and where in it the values stand that an action goes by."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select

from contracts.base import sha256
from contracts.errors import NotFound
from contracts.outside import as_taint
from contracts.sinks import Sink, outside_alone
from contracts.text import one_line
from ledger import artifacts
from ledger.db import rows_with
from ledger.statement import Statement
from ledger.tables import decision, handoff, run, seen, tool_result, turn

MOST = 16 * 1024 * 1024
"""Most characters of text from outside that are searched. What is beyond it counts as text that holds every value."""

LEAST = 12
"""Fewest characters of a text that is taken for a copy of another one."""

OF_INPUT = "text of the input"
"""The name of a text from outside that stands in a run's input."""

PLACES = 3
"""Most places that are told of one value."""

_AT = Statement(
    select(seen.c.source).where(seen.c.trace == bindparam("of"), seen.c.path == bindparam("at"), seen.c.source != "").distinct()
)


@dataclass(frozen=True)
class Place:
    """Where a text from outside stands in a run's record, in words with the id that `baton read` takes, and its sources."""

    where: str
    sources: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}, from {', '.join(self.sources)}" if self.sources else self.where


@dataclass(frozen=True)
class Origin:
    """A sink whose value only text from outside holds, and where that is: the first places."""

    sink: Sink
    places: tuple[Place, ...]

    @property
    def brief(self) -> str:
        """What it is, without its value and its places."""
        sources = as_taint(name for one in self.places for name in one.sources)
        return f"{self.sink.role} `{one_line(self.sink.name, 60)}` stands only in text from outside ({', '.join(sources)})"

    def __str__(self) -> str:
        value, name = one_line(self.sink.value, 120), one_line(self.sink.name, 60)
        places = "; ".join(str(one) for one in self.places)
        return f"{self.sink.role} `{name}` = {value} stands only in text from outside: {places}"


def sources_at(connection: Connection, trace: str, path: str) -> tuple[str, ...]:
    """The sources of all text from outside that a step has seen."""
    return _names(row.source for row in _AT.all(connection, of=trace, at=path))


def sources_of(connection: Connection, trace: str) -> tuple[str, ...]:
    """The sources of all text from outside that a run family has seen."""
    rows = connection.execute(select(seen.c.source).where(seen.c.trace == trace, seen.c.source != "").distinct())
    return _names(rows.scalars())


def sources_behind(connection: Connection, trace: str, digest: str) -> tuple[str, ...]:
    """The sources of one artifact that a run family has seen; () for what is its own."""
    rows = connection.execute(select(seen.c.source).where(seen.c.trace == trace, seen.c.artifact == digest))
    return _names(rows.scalars())


def sources_among(connection: Connection, trace: str, texts: Iterable[str]) -> tuple[str, ...]:
    """The sources of those of these texts that a run family has seen from outside, each as a whole.

    Texts of less than `LEAST` characters say nothing about where they come from.
    """
    wanted = {sha256(text.encode()) for text in texts if len(text) >= LEAST}
    query = select(seen.c.source).where(seen.c.trace == trace, seen.c.source != "")
    return _names(row.source for row in rows_with(connection, query, seen.c.artifact, wanted))


def _names(sources: Iterable[str]) -> tuple[str, ...]:
    return as_taint(name for one in sources for name in one.split(","))


def only_outside(connection: Connection, files: Path, trace: str, sinks: Sequence[Sink]) -> tuple[Origin, ...]:
    """Those of an action's sinks whose values stand in text from outside, and in nothing that the run's people have said.

    People have said what stands in the run's input, where no field of it is marked as text from outside, and in their answers.
    What an agent made that has read nothing from outside counts as said as well; what any other agent made is from outside.
    It only reads.
    """
    if not sinks:
        return ()
    places = outside_alone(sinks, _said(connection, trace), _outside(connection, files, trace), PLACES)
    return tuple(Origin(one, tuple(there)) for one, there in places.items())


def _said(connection: Connection, trace: str) -> Iterator[str]:
    """What people have said to this run, what it is called, and what agents made that read nothing from outside."""
    row = connection.execute(
        select(run.c.workflow_id, run.c.project, run.c.owner, run.c.input).where(run.c.trace == trace)
    ).first()
    outside = set(connection.execute(select(seen.c.artifact).where(seen.c.trace == trace, seen.c.name == OF_INPUT)).scalars())
    if row is not None:
        yield from (row.workflow_id, row.project, row.owner)
        yield from (text for text in leaves(json.loads(row.input)) if sha256(text.encode()) not in outside)
    answers = select(decision.c.answers).where(decision.c.trace == trace, decision.c.outcome.in_(("won", "counted")))
    for said in connection.execute(answers).scalars():
        yield from leaves(json.loads(said))
    for made in connection.execute(select(handoff.c.body).where(handoff.c.trace == trace)).scalars():
        whole = json.loads(made)
        if not whole.get("taint"):
            yield "\n".join(leaves(whole.get("body")))


def _outside(connection: Connection, files: Path, trace: str) -> Iterator[tuple[Place, str | None]]:
    """Every text from outside with its place: what tools showed, what steps were given, what tainted agents made.

    None stands for a text that is not searched, or not to its end: it is too much, or its bytes are gone. A large text comes in
    pieces.
    """
    left = MOST
    for place, text in itertools.chain(_shown(connection, trace), _made(connection, trace)):
        left -= len(text)
        yield (place, text) if left > 0 else (_unsearched(place), None)
    for place, pieces in _seen(connection, files, trace):
        # Piece by piece, and no further than there is room: a file of any size takes little memory, and little time.
        for piece in _kept(pieces) if left > 0 else ("",):
            left -= len(piece or "")
            if piece is None or left <= 0:
                yield (place if left > 0 else _unsearched(place)), None
                break
            yield place, piece


def _kept(pieces: Iterator[str]) -> Iterator[str | None]:
    """The pieces; None where the bytes are gone."""
    try:
        yield from pieces
    except NotFound:
        yield None


def _unsearched(place: Place) -> Place:
    return Place(f"{place.where}, which was not searched", place.sources)


def _seen(connection: Connection, files: Path, trace: str) -> Iterator[tuple[Place, Iterator[str]]]:
    rows = connection.execute(select(seen).where(seen.c.trace == trace, seen.c.source != "").order_by(seen.c.at, seen.c.name))
    for row in {row.artifact: row for row in reversed(rows.all())}.values():
        at = f" at {row.path}" if row.path else ""
        place = Place(f"{one_line(row.name, 120)} ({row.artifact[:12]}){at}", _names([row.source]))
        yield place, artifacts.texts(connection, files, row.artifact)


def _shown(connection: Connection, trace: str) -> Iterator[tuple[Place, str]]:
    joined = select(tool_result, turn.c.path).join(turn, turn.c.id == tool_result.c.turn).where(turn.c.trace == trace)
    for row in connection.execute(joined.order_by(tool_result.c.at)):
        yield Place(f"result of {row.name} ({row.turn[:12]}/{row.position}) at {row.path}", (f"tool:{row.name}",)), row.body


def _made(connection: Connection, trace: str) -> Iterator[tuple[Place, str]]:
    rows = connection.execute(select(handoff).where(handoff.c.trace == trace).order_by(handoff.c.at))
    for row in rows:
        whole = json.loads(row.body)
        if whole.get("taint"):
            what = f"what {row.agent or 'the coordinator'} made ({row.id[:12]}) at {row.path}"
            yield Place(what, tuple(whole["taint"])), "\n".join(leaves(whole.get("body")))


def leaves(value: Any) -> Iterator[str]:
    """Every text and number in decoded JSON, keys included, as text."""
    if isinstance(value, dict):
        for key, held in value.items():
            yield str(key)
            yield from leaves(held)
    elif isinstance(value, list):
        for held in value:
            yield from leaves(held)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
