"""What an id or a prefix of one stands for: a handoff, a turn or an artifact; and facts about one id."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Column, Connection, func, select

from ledger.db import beginning_with, rows_with
from ledger.tables import action, artifact, handoff, run, seen, turn

Kind = Literal["run", "action", "gate", "handoff", "turn", "tool", "artifact"]

_DIGEST = re.compile(r"[0-9a-f]{64}")

ALIKE = 10
"""Most ids of one kind that a prefix finds."""

_IDS: tuple[tuple[Kind, Column[Any]], ...] = (
    ("handoff", handoff.c.id),
    ("turn", turn.c.id),
    ("artifact", artifact.c.sha256),
)


@dataclass(frozen=True)
class Turns:
    """The model turns of one step: how many, and what they cost in micro-dollars."""

    count: int
    usd_micros: int


def ids_like(connection: Connection, beginning: str) -> list[tuple[Kind, str]]:
    """(kind, id) of handoffs, turns and artifacts whose id has this prefix; at most ten of each."""
    found: list[tuple[Kind, str]] = []
    for kind, column in _IDS:
        query = select(column).where(beginning_with(connection, column, beginning.lower())).limit(ALIKE)
        found += [(kind, str(one)) for one in connection.execute(query).scalars()]
    return found


def kind_of(connection: Connection, identity: str) -> Kind | None:
    """The kind of thing that has exactly this id, in the form of an edge's end; None if nothing has it."""
    if "/" in identity:
        return form_of(identity)
    for kind, column in (*_IDS, ("action", action.c.key), ("run", run.c.trace)):
        if connection.execute(select(column).where(column == identity)).first() is not None:
            return kind
    return None


class Place(NamedTuple):
    """What a thing is, and the run family that has it; "" for what no run has made, such as a file that was read."""

    kind: Kind
    trace: str


def places_of(connection: Connection, ids: Iterable[str]) -> dict[str, Place]:
    """The place of each of these, by their ids as edges have them, in the same order; of what nobody knows an artifact."""
    wanted = list(dict.fromkeys(ids))
    forms = {one: form_of(one) for one in wanted if "/" in one}
    # A call of a tool is in the run of its turn.
    turns = {one: one.rpartition("/")[0] for one, form in forms.items() if form == "tool"}
    plain = dict.fromkeys([*turns.values(), *(one for one in wanted if one not in forms)])
    found: dict[str, Place] = {}
    columns: tuple[tuple[Kind, Column[Any]], ...] = (("handoff", handoff.c.id), ("turn", turn.c.id), ("action", action.c.key))
    for kind, column in columns:
        rows = rows_with(connection, select(column.label("id"), column.table.c.trace), column, plain)
        found |= {row.id: Place(kind, row.trace) for row in rows if row.id not in found}
    known = {one: Place(form, one.rpartition("/")[0]) for one, form in forms.items()}
    nobody = Place("artifact", "")
    known |= {one: Place("tool", found.get(its, nobody).trace) for one, its in turns.items()}
    return {one: known[one] if one in known else found.get(one, nobody) for one in wanted}


def form_of(identity: str) -> Literal["artifact", "tool", "gate"]:
    """The kind of thing whose id has a slash: TRACE/DIGEST is what a run made, TRACE/NAME its gate, TURN/NUMBER a tool call."""
    owner, _, rest = identity.rpartition("/")
    if _DIGEST.fullmatch(rest):
        return "artifact"
    return "tool" if rest.isdecimal() and _DIGEST.fullmatch(owner) else "gate"


def trace_of(connection: Connection, kind: Kind, identity: str) -> str:
    """The run family that a thing belongs to; for an artifact, the one that saw it last. "" if there is none."""
    queries = {
        "handoff": select(handoff.c.trace).where(handoff.c.id == identity),
        "turn": select(turn.c.trace).where(turn.c.id == identity),
        "action": select(action.c.trace).where(action.c.key == identity),
        "artifact": select(seen.c.trace).where(seen.c.artifact == identity).order_by(seen.c.at.desc()),
    }
    return str(connection.execute(queries[kind]).scalar() or "")


def size_of(connection: Connection, digest: str) -> int | None:
    """The size of an artifact in bytes; None if there is no such artifact."""
    return connection.execute(select(artifact.c.size).where(artifact.c.sha256 == digest)).scalar()


def turns_of(connection: Connection, trace: str) -> list[str]:
    """The ids of all turns of a run family."""
    return list(connection.execute(select(turn.c.id).where(turn.c.trace == trace)).scalars())


def turns_at(connection: Connection, trace: str, path: str) -> Turns:
    """The model turns of one step of a run family."""
    query = select(func.count().label("count"), func.coalesce(func.sum(turn.c.usd_micros), 0).label("cost"))
    row = connection.execute(query.where(turn.c.trace == trace, turn.c.path == path)).one()
    return Turns(int(row[0]), int(row.cost))
