"""Money: reserve the worst case, call, settle what it really cost. Integer micro-dollars."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, literal, null, or_, select, update

from contracts.errors import BatonError, NotFound
from contracts.money import CeilingRefused, usd
from ledger.db import insert_once, now_us
from ledger.money.slices import Slice, share_of
from ledger.statement import Statement
from ledger.tables import reservation, scope


class CeilingReached(BatonError):
    """A ceiling leaves no room for this call; it was not made. Raise the ceiling, or start a smaller run."""

    def __init__(self, scope_id: str, ceiling: int, spent: int, held: int, wanted: int, why: str = "") -> None:
        self.refused = CeilingRefused(scope=scope_id, ceiling=ceiling, spent=spent, held=held, wanted=wanted, why=why)
        super().__init__(self.refused.text)


@dataclass(frozen=True)
class Scope:
    """One ceiling that a call counts against. `ceiling` is used when the scope is seen for the first time.

    `kept_back` is what this call has to leave of it, per mille: a run's children leave something to what comes after them.
    """

    id: str
    ceiling: int
    kept_back: int = 0


@dataclass(frozen=True)
class About:
    """What a reservation is for."""

    trace: str = ""
    path: str = ""
    project: str = ""
    agent: str = ""
    model: str = ""


_AMOUNT = bindparam("amount", type_=BigInteger)
_BACK = bindparam("back", type_=BigInteger)
_TAKE = Statement(
    update(scope)
    .where(
        scope.c.id == bindparam("wanted"),
        or_(_AMOUNT == 0, scope.c.spent + scope.c.held + _AMOUNT <= scope.c.ceiling - scope.c.ceiling * _BACK // 1000),
    )
    .values(held=scope.c.held + _AMOUNT)
)
"""One conditional UPDATE: reading first and writing then lets two callers take the same room. What costs nothing needs none."""

_SHIFT = Statement(
    update(scope)
    .where(scope.c.id == bindparam("wanted"))
    .values(
        spent=scope.c.spent + bindparam("by_spent", type_=BigInteger),
        held=scope.c.held + bindparam("by_held", type_=BigInteger),
    )
)


_SCOPE = Statement(select(scope).where(scope.c.id == bindparam("wanted")))
_ABOUT = ("trace", "path", "project", "agent", "model")
_INSERT = Statement(
    reservation.insert(), ("id", "call_key", "scopes", "state", "amount", "price_version", "worker", "at", *_ABOUT)
)
_SLICES = Statement(select(scope).where(scope.c.parent == bindparam("of")))
_GROW = Statement(
    update(scope).where(scope.c.id == bindparam("wanted")).values(ceiling=bindparam("to", type_=BigInteger), closed_at=null())
)
_HELD = Statement(
    select(reservation.c.id).where(reservation.c.call_key == bindparam("of"), reservation.c.state == literal("held"))
)
_ROW = Statement(select(reservation).where(reservation.c.id == bindparam("wanted")).with_for_update())
"""Locked until the end: an attempt that answers late and the one that gives it up as lost must not both charge it."""

_MARK = Statement(
    update(reservation)
    .where(reservation.c.id == bindparam("wanted"))
    .values(state=bindparam("to"), settled=bindparam("charged"), closed_at=bindparam("now", type_=BigInteger))
)


_NOTE_ERROR = Statement(update(reservation).where(reservation.c.id == bindparam("wanted")).values(error=bindparam("kind")))


def begin(connection: Connection, wanted: Scope) -> None:
    """Make a scope. One that is there stays as it is: its ceiling may have been raised since."""
    insert_once(connection, scope, id=wanted.id, ceiling=wanted.ceiling)


def new_id() -> str:
    """An id for a reservation. A caller that may be cancelled makes it before it reserves, to be able to close it."""
    return secrets.token_hex(16)


def reserve(
    connection: Connection,
    call_key: str,
    scopes: Sequence[Scope | Slice],
    amount: int,
    *,
    price_version: str,
    worker: str,
    identity: str | None = None,
    about: About = About(),
) -> str:
    """Hold `amount` in every scope and return the reservation's id; `CeilingReached` and nothing held where one refuses.

    The caller's transaction must end with that error, and must have begun with `lose_earlier` and a look for the answer.
    """
    # In the caller's order, which is the same for all: two calls that locked the same rows in different orders would wait for
    # each other.
    for wanted in scopes:
        if isinstance(wanted, Slice):
            _take_slice(connection, wanted, amount)
        else:
            _take(connection, wanted, amount)
    # After all scopes: where one refuses there is no reservation, and the transaction takes the others back.
    identity = identity or new_id()
    row = {
        "id": identity,
        "call_key": call_key,
        "scopes": json.dumps([one.id for one in scopes]),
        "state": "held",
        "amount": amount,
        "price_version": price_version,
        "worker": worker,
        "at": now_us(),
        **vars(about),
    }
    _INSERT.run(connection, **row)
    return identity


def lose_earlier(connection: Connection, call_key: str) -> None:
    """What earlier attempts of a call still hold is lost and stays charged in full: they never reported.

    To be done before a transaction looks for the call's answer. From here on none of them can answer before it commits; the
    other way round, one that answers between the two looks is seen by neither, and the call is paid for twice.
    """
    for earlier in _held(connection, call_key):
        close(connection, earlier, "lost")


def _take(connection: Connection, wanted: Scope, amount: int) -> None:
    """Hold `amount` in one scope, which is made where it is new."""
    if _TAKE.run(connection, wanted=wanted.id, amount=amount, back=wanted.kept_back) == 1:
        return
    # New in this period; as a rule the first statement has found it.
    insert_once(connection, scope, id=wanted.id, ceiling=wanted.ceiling)
    if _TAKE.run(connection, wanted=wanted.id, amount=amount, back=wanted.kept_back) == 1:
        return
    row = _SCOPE.first(connection, wanted=wanted.id)
    assert row is not None, "it was made or found just now"
    kept = row.ceiling * wanted.kept_back // 1000
    why = f"{usd(kept)} is kept back for what comes after its children; " if kept else ""
    raise CeilingReached(wanted.id, row.ceiling, row.spent, row.held, amount, why)


def _take_slice(connection: Connection, wanted: Slice, amount: int) -> None:
    """Hold `amount` in a child's slice. The parent's scope was taken before: its row is ours until the end."""
    if _TAKE.run(connection, wanted=wanted.id, amount=amount, back=0) == 1:
        return
    parent = _SCOPE.first(connection, wanted=wanted.parent)
    assert parent is not None, "it was taken before"
    there = {row.id: row for row in _SLICES.all(connection, of=wanted.parent)}
    share = share_of(parent, there, wanted, amount)
    if 0 < amount > share.room:
        raise CeilingReached(wanted.parent, parent.ceiling, parent.spent, parent.held - amount, amount, share.why)
    if wanted.id in there:
        _GROW.run(connection, wanted=wanted.id, to=share.ceiling)
    else:
        insert_once(connection, scope, id=wanted.id, ceiling=share.ceiling, parent=wanted.parent)
    # Without a condition: the parent had the room, and the slice has just been made high enough for it.
    _SHIFT.run(connection, wanted=wanted.id, by_spent=0, by_held=amount)


def give_back(connection: Connection, slice_id: str) -> None:
    """A child has ended: what is left of its slice is free for others, and so is the part of one that has never called."""
    query = update(scope).where(scope.c.id == slice_id)
    now = now_us()
    if connection.execute(query.values(ceiling=scope.c.spent + scope.c.held, closed_at=now)).rowcount == 0:
        steps = slice_id.split("/")
        # A child that never called has no row, and its siblings still leave a part to it. A closed row says that they need
        # not.
        above = scope.c.id.in_(["/".join(steps[:number]) for number in range(1, len(steps))])
        parent = connection.execute(select(scope.c.id).where(above).order_by(func.length(scope.c.id).desc())).scalar()
        if parent is not None:
            insert_once(connection, scope, id=slice_id, ceiling=0, parent=parent, closed_at=now)


def settle(connection: Connection, reservation_id: str, cost: int | None) -> int:
    """Put the real cost in place of what was held and return what is charged. None settles at the full reservation.

    An attempt that was given up as lost and answers all the same corrects its own row. Settling twice changes nothing.
    """
    row = _row(connection, reservation_id)
    charged = row.amount if cost is None else cost
    # Charged or released before, by this attempt: the first time counts.
    if row.state not in ("held", "lost"):
        return int(row.settled)
    _close(connection, row, "settled", charged)
    return int(charged)


def close(connection: Connection, reservation_id: str, state: str) -> bool:
    """End a reservation without a reply: `released` costs nothing, `lost` costs all of it. True if this changed it.

    One that was given up as lost is released all the same by the attempt itself, which knows that nothing was charged. One
    that ended otherwise, or was never made, stays as it is.
    """
    row = _ROW.first(connection, wanted=reservation_id)
    if row is None or not (row.state == "held" or (row.state, state) == ("lost", "released")):
        return False
    _close(connection, row, state, row.amount if state == "lost" else 0)
    return True


def note_error(connection: Connection, reservation_id: str, kind: str) -> None:
    """Keep the kind of error that a call ended with."""
    _NOTE_ERROR.run(connection, wanted=reservation_id, kind=kind)


def close_left_over(connection: Connection, trace: str) -> None:
    """A run has ended: what its killed attempts still hold is lost. One that answers all the same corrects its own row."""
    query = select(reservation.c.id).where(
        # With its quotes, as it stands in the list: the trace of another run may begin with the same letters.
        reservation.c.state == "held",
        reservation.c.scopes.contains(json.dumps(f"run:{trace}"), autoescape=True),
    )
    for left in list(connection.execute(query).scalars()):
        close(connection, left, "lost")


def _close(connection: Connection, row: Row[Any], state: str, charged: int) -> None:
    # One that was given up as lost is charged in full already: only the difference moves.
    before, held = (0, row.amount) if row.state == "held" else (row.settled, 0)
    _move(connection, json.loads(row.scopes), spent=charged - before, held=-held)
    _mark(connection, row.id, state, charged)


def _move(connection: Connection, scopes: list[str], *, spent: int, held: int) -> None:
    _SHIFT.run_each(connection, [{"wanted": one, "by_spent": spent, "by_held": held} for one in scopes])


def _mark(connection: Connection, reservation_id: str, state: str, charged: int) -> None:
    _MARK.run(connection, wanted=reservation_id, to=state, charged=charged, now=now_us())


def _held(connection: Connection, call_key: str) -> list[str]:
    return [row.id for row in _HELD.all(connection, of=call_key)]


def _row(connection: Connection, reservation_id: str) -> Row[Any]:
    row = _ROW.first(connection, wanted=reservation_id)
    if row is None:
        raise NotFound(f"there is no reservation {reservation_id!r}; was the ledger restored from an older backup?")
    return row
