"""Condemnations: what a person found to be wrong, and what may therefore not be used or acted on.

A condemnation holds whatever came from its things, also what is made of them later: who is about to use something, or to act on
it, asks `holding`, which walks from that thing to what it came from. So nothing has to be marked, and what is undone holds
nothing any more.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from contracts.base import canonical, digest_of, sha256
from contracts.errors import Ambiguous, NotFound
from contracts.runs import Note, RunRef
from contracts.text import one_line
from ledger import feed, handoffs, seals
from ledger.db import from_us, insert_each_once, insert_once, plain, rows_with, server_us
from ledger.statement import Statement
from ledger.tables import condemnation, condemned, gate, remedy

ITSELF = RunRef(trace=seals.CONDEMNED, workflow_id=seals.CONDEMNED)
"""Feed lines about condemnations belong to no run: they are about what all runs made."""

How = Literal["done", "declined", "goes_on"]
"""What a person says of an action. done, declined: of one that has happened. goes_on: it is to happen all the same."""

_IN_FORCE = condemnation.c.undone_at.is_(None)
_ANY = Statement(select(condemnation.c.id).where(_IN_FORCE).limit(1))


@dataclass(frozen=True)
class Condemnation:
    """`what` was condemned, in words. In force while `undone_at` is None."""

    id: str
    what: str
    why: str
    by: str
    at: datetime
    undone_by: str
    undone_why: str
    undone_at: datetime | None

    @property
    def mark(self) -> str:
        """What stands beside a thing that is condemned itself."""
        return one_line(f"CONDEMNED by {self.by} ({self.id}): {self.why}", 400)

    @property
    def told(self) -> str:
        """One line: what, who and why."""
        return one_line(f"{self.what}: condemned by {self.by} ({self.id}): {self.why}", 600)


@dataclass(frozen=True)
class Remedy:
    """What a person said of one action. `reference` is their own, such as the action that took it back."""

    how: How
    note: str
    reference: str
    by: str
    at: datetime


def condemn(connection: Connection, things: Iterable[str], what: str, by: str, why: str) -> tuple[Condemnation, int]:
    """Condemn things, by their ids as edges have them; returns the condemnation and how many of them are new to it.

    Things that are condemned already stay as they are. If all of them are, nothing is written, and the oldest condemnation of
    any of them is returned with 0. Safe to call twice. The caller tells the feed (`tell`).
    """
    wanted = sorted(dict.fromkeys(things))
    there = marks(connection, wanted)
    fresh = [one for one in wanted if one not in there]
    if not fresh:
        return min((one for several in there.values() for one in several), key=lambda one: one.at), 0
    digest = things_digest(fresh)
    same = select(func.count()).select_from(condemnation).where(condemnation.c.things == digest)
    # Counted: what was undone can be condemned again.
    id = digest_of("condemnation", digest, str(connection.execute(same).scalar_one()))[:12]
    seals.touch(connection, ITSELF.trace, "condemnation", id)
    values = {"what": what, "things": digest, "why": why, "by": by, "at": server_us(connection)}
    insert_once(connection, condemnation, id=id, **values)
    insert_each_once(connection, condemned, [{"thing": one, "condemnation": id} for one in fresh])
    return find(connection, id), len(fresh)


def things_digest(things: Iterable[str]) -> str:
    """One digest of several ids, whatever their order."""
    return sha256(canonical(sorted(things)))


def undo(connection: Connection, id: str, by: str, why: str) -> bool:
    """Take a condemnation back: it holds nothing any more. False if it was undone before. The caller tells the feed."""
    seals.touch(connection, ITSELF.trace, "condemnation", id)
    values = {"undone_by": plain(by), "undone_why": plain(why), "undone_at": server_us(connection)}
    query = update(condemnation).where(condemnation.c.id == id, _IN_FORCE).values(**values)
    return connection.execute(query).rowcount == 1


def settle(connection: Connection, id: str, action: str, how: How, note: str, reference: str, by: str) -> bool:
    """Record what became of an action that had come from it. False if that was said before, which stands."""
    seals.touch(connection, ITSELF.trace, "remedy", f"{id}/{action}")
    values = {"how": how, "note": note, "reference": reference, "by": by, "at": server_us(connection)}
    return insert_once(connection, remedy, condemnation=id, action=action, **values)


def tell(connection: Connection, note: Note) -> None:
    """Write a feed line about a condemnation, which seals its rows. Call it last in a transaction."""
    feed.append(connection, ITSELF, [note])


# What is asked of them


def anything(connection: Connection) -> bool:
    """True while anything is condemned. One small look-up: it is asked before every call of a model."""
    return _ANY.scalar(connection) is not None


def reaching(connection: Connection, things: Iterable[str]) -> tuple[Condemnation, ...]:
    """The condemnations of one of these things, or of what it came from, oldest first, whoever may go on with them."""
    if not anything(connection):
        return ()
    found = {one.id: one for several in marks(connection, handoffs.ancestry(connection, things)).values() for one in several}
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.id)))


def ever_reached(connection: Connection, things: Iterable[str]) -> bool:
    """True if one of these things, or of what it came from, was ever condemned, whether or not that was undone since."""
    if connection.execute(select(condemned.c.thing).limit(1)).first() is None:
        return False
    found = rows_with(connection, select(condemned.c.thing), condemned.c.thing, handoffs.ancestry(connection, things))
    return next(iter(found), None) is not None


def holding(connection: Connection, trace: str, things: Iterable[str], action: str = "") -> tuple[Condemnation, ...]:
    """The condemnations that keep this run from using these things, oldest first: of one of them, or of what it came from.

    Without those that a person has let this run, or this `action` (its key), go on with.
    """
    found = reaching(connection, things)
    passed = _let_on(connection, trace) | _goes_on(connection, action) if found else set()
    return tuple(one for one in found if one.id not in passed)


def marks(connection: Connection, things: Iterable[str]) -> dict[str, tuple[Condemnation, ...]]:
    """Those of these things that are condemned themselves, each with its condemnations in force."""
    query = select(condemned.c.thing, condemnation).join(condemnation, condemnation.c.id == condemned.c.condemnation)
    found: dict[str, tuple[Condemnation, ...]] = {}
    if anything(connection):
        for row in rows_with(connection, query.where(_IN_FORCE), condemned.c.thing, things):
            found[row.thing] = (*found.get(row.thing, ()), _view(row))
    return found


def _let_on(connection: Connection, trace: str) -> set[str]:
    """The condemnations with which a person has let this run go on, at its gates `held`."""
    held = (gate.c.trace == trace, gate.c.kind == "held", gate.c.state == "approve")
    views = connection.execute(select(gate.c.view).where(*held)).scalars()
    return {one for view in views for one in json.loads(view).get("condemned", ())}


def lets_on(connection: Connection, traces: Iterable[str], id: str) -> set[str]:
    """Those of these runs that a person has let go on with this condemnation."""
    held = select(gate.c.trace, gate.c.view).where(gate.c.kind == "held", gate.c.state == "approve")
    rows = rows_with(connection, held, gate.c.trace, traces)
    return {row.trace for row in rows if id in json.loads(row.view).get("condemned", ())}


def _goes_on(connection: Connection, action: str) -> set[str]:
    query = select(remedy.c.condemnation).where(remedy.c.action == action, remedy.c.how == "goes_on")
    return set(connection.execute(query).scalars()) if action else set()


def things_of(connection: Connection, id: str) -> list[str]:
    """The things of a condemnation."""
    query = select(condemned.c.thing).where(condemned.c.condemnation == id).order_by(condemned.c.thing)
    return list(connection.execute(query).scalars())


def remedies(connection: Connection, id: str) -> dict[str, Remedy]:
    """What was said of actions that had come from it, by their keys."""
    rows = connection.execute(select(remedy).where(remedy.c.condemnation == id).order_by(remedy.c.at))
    return {row.action: Remedy(row.how, row.note, row.reference, row.by, from_us(row.at)) for row in rows}


def every(connection: Connection, *, undone: bool = False, limit: int = 200) -> list[Condemnation]:
    """Condemnations in force, and with `undone` the others too: the newest, in the order of their time."""
    wanted: list[ColumnElement[bool]] = [] if undone else [_IN_FORCE]
    query = select(condemnation).where(*wanted).order_by(condemnation.c.at.desc(), condemnation.c.id).limit(limit)
    return [_view(row) for row in reversed(connection.execute(query).all())]


def find(connection: Connection, name: str) -> Condemnation:
    """The condemnation whose id begins so. Raises `NotFound`, or `Ambiguous`. Locks its row until the commit."""
    query = select(condemnation).where(condemnation.c.id.startswith(name.lower(), autoescape=True)).limit(9)
    rows = connection.execute(query.with_for_update()).all() if name else []
    if not rows:
        raise NotFound(
            f"there is no condemnation {one_line(name, 80)!r}; `baton condemned list --all` lists them with their ids"
        )
    if len(rows) > 1:
        raise Ambiguous(f"several condemnations have an id that begins with {name!r}; type more of it")
    return _view(rows[0])


def _view(row: Row[Any]) -> Condemnation:
    undone = None if row.undone_at is None else from_us(row.undone_at)
    return Condemnation(row.id, row.what, row.why, row.by, from_us(row.at), row.undone_by, row.undone_why, undone)
