"""The outbox as operators see it: what is still to happen, what needs a person, and who carries it out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, func, or_, select

from contracts.actions import ActionState, Receipt, Relayed
from contracts.errors import Ambiguous, NotFound, Refused
from ledger.actions import unheld
from ledger.db import beginning_with, from_us, server_us, to_us
from ledger.proposals import NO_RUN
from ledger.tables import action, run

Verb = Literal["retry", "abandon", "settle", "decline"]
"""What operators do with an action: `baton actions VERB`."""

PENDING: tuple[ActionState, ...] = ("proposed", "approved", "held", "sending", "unknown", "dead")
"""States that somebody may have to do something about: the others are settled, or wait at a gate."""

SHORTEST = 4
"""Fewest characters of a key that may stand for it."""


@dataclass(frozen=True)
class Outgoing:
    """One action of the outbox. `run` is its run's workflow id, `over` True if that has ended.

    `due_at` is None where the relay does not have it. `sent_by` is the worker that is sending it now, else "". `problem` is why
    it is where it is: of the last attempt, or of its end.
    """

    key: str
    type: str
    target: str
    summary: str
    state: ActionState
    run: str
    trace: str
    over: bool
    gate: str
    relay: Relayed
    tries: int
    attempts: int
    due_at: datetime | None
    sent_by: str
    problem: str
    at: datetime
    updated_at: datetime
    reference: str
    note: str
    """What the person who did it said of it; "" for all others."""
    taint: tuple[str, ...]
    """The sources from outside that flowed into it."""
    waits: bool
    """True while its next attempt is still to come."""

    @property
    def waits_for_a_person(self) -> bool:
        """True while it is proposed, and no run that goes on has begun it."""
        return self.state == "proposed" and (self.trace == NO_RUN or self.over)

    @property
    def version(self) -> str:
        """Of its state: another one once anything has become of it, so that what somebody was shown can be compared."""
        return f"{self.state}/{to_us(self.updated_at)}"

    @property
    def takes(self) -> tuple[Verb, ...]:
        """What an operator can do with it now, the most usual first; nothing while it is being sent, or settled."""
        if self.sent_by:
            return ()
        if self.state == "proposed":
            return ("decline",) if self.waits_for_a_person else ()
        if self.state == "unknown":
            return ("settle", "retry")
        again: tuple[Verb, ...] = ("retry",) if self.state == "dead" or self.relay or self.over else ()
        by_state: dict[ActionState, tuple[Verb, ...]] = {
            "dead": ("retry", "abandon"),
            "held": ("abandon",),
            "approved": (*again, "abandon"),
            "sending": ("settle", *again),
        }
        return by_state.get(self.state, ())

    @property
    def next(self) -> str:
        """What happens next, or what a person can do; "" where it is settled."""
        if self.state == "unknown":
            return "a person says whether it happened (settle), or has the target asked again (retry)"
        if self.state == "dead":
            return "retry or abandon"
        if self.state == "held":
            return "held: `baton condemned` says by what; settle it there with --go-on, or abandon it"
        if self.state == "proposed":
            person = "a person starts it (`baton act --proposed`), or declines it"
            return person if self.waits_for_a_person else "its run asks what it takes"
        if self.state not in ("approved", "sending"):
            return ""
        if self.sent_by:
            return f"{self.sent_by} is sending it"
        if not self.relay:
            return "its run is over, and the relay has not taken it over: retry or abandon" if self.over else "its run does it"
        return "tried again" if self.waits else "in its turn"


def outgoing(
    connection: Connection, states: Collection[ActionState] | None = PENDING, run_id: str = "", limit: int = 200
) -> list[Outgoing]:
    """Actions in these states (None: all), of this run family or (""): of all, the oldest first; of more the newest."""
    query = _query(connection)
    if states is not None:
        query = query.where(action.c.state.in_(list(states)))
    if run_id:
        query = query.where(action.c.trace == run_id)
    rows = connection.execute(query.order_by(action.c.updated_at.desc(), action.c.key).limit(limit)).all()
    now = server_us(connection)
    return sorted((_view(row, now) for row in rows), key=lambda one: (one.at, one.key))


def named(connection: Connection, name: str) -> Outgoing:
    """The action whose key begins so. Raises `NotFound`, `Ambiguous`, and `Refused` for less than four characters."""
    if len(name) < SHORTEST:
        raise Refused(f"{name!r} is too short for the key of an action: give at least {SHORTEST} characters of it")
    query = _query(connection).where(beginning_with(connection, action.c.key, name.lower()))
    rows = connection.execute(query.limit(9)).all()
    if not rows:
        raise NotFound(f"no action has a key that begins with {name}; `baton actions list --all` lists them with their keys")
    if len(rows) > 1:
        listed = ", ".join(f"{row.key[:16]} ({row.summary})" for row in rows[:8])
        raise Ambiguous(f"several actions have a key that begins with {name}: {listed}. Type more of it")
    return _view(rows[0], server_us(connection))


def counts(connection: Connection) -> dict[str, int]:
    """How many actions are in each state that somebody may have to do something about, and `left`: that no worker tries.

    `left` are those that wait for the relay, and are due.
    """
    rows = connection.execute(select(action.c.state, func.count()).where(action.c.state.in_(PENDING)).group_by(action.c.state))
    found = {str(state): int(count) for state, count in rows}
    waiting = and_(action.c.relay != "", or_(action.c.state == "approved", action.c.state == "sending"))
    left = select(func.count()).where(waiting, action.c.due_at <= server_us(connection))
    return found | {"left": int(connection.execute(left).scalar_one())}


def _query(connection: Connection) -> Any:
    free = unheld(server_us(connection)).label("free")
    return select(action, free, run.c.workflow_id, run.c.ended_at).outerjoin(run, run.c.trace == action.c.trace)


def _view(row: Row[Any], now: int) -> Outgoing:
    receipt = Receipt.model_validate_json(row.receipt) if row.receipt else None
    return Outgoing(
        key=row.key,
        type=row.type,
        target=row.target,
        summary=row.summary,
        state=row.state,
        run=row.workflow_id or row.trace,
        trace=row.trace,
        over=row.ended_at is not None,
        gate=row.gate,
        relay=row.relay,
        tries=row.tries,
        attempts=row.attempts,
        due_at=from_us(max(row.due_at, row.handed_at)) if row.relay else None,
        sent_by=row.lease_owner if row.state == "sending" and not row.free else "",
        problem=row.reason or row.problem,
        at=from_us(row.at),
        updated_at=from_us(row.updated_at),
        reference=receipt.reference if receipt else "",
        note=receipt.note if receipt else "",
        taint=tuple(row.taint.split(",")) if row.taint else (),
        waits=row.due_at > now,
    )
