"""Money: reserve the worst case, call, settle what it really cost. Integer micro-dollars."""

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, literal, null, select, update

from contracts.errors import BatonError, NotFound
from contracts.money import CeilingRefused, usd
from ledger.db import insert_once, now_us
from ledger.money import holdings
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

    `kept_back` is the part of it, per mille, that this call must leave: a run's children leave something for what follows.
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
"""Locked until the commit: an attempt that answers late and the one that gives it up as lost must not both charge it."""

_LEFT = Statement(
    select(reservation.c.id).where(
        reservation.c.state == literal("held"), reservation.c.scopes.like(bindparam("listed"), escape="/")
    )
)
_MARK = Statement(
    update(reservation)
    .where(reservation.c.id == bindparam("wanted"))
    .values(state=bindparam("to"), settled=bindparam("charged"), closed_at=bindparam("now", type_=BigInteger))
)


_SETTLE = Statement(
    update(reservation)
    .where(reservation.c.id == bindparam("wanted"), reservation.c.state == literal("held"))
    .values(
        state=literal("settled"),
        settled=func.coalesce(bindparam("cost", type_=BigInteger), reservation.c.amount),
        closed_at=bindparam("now", type_=BigInteger),
    )
    .returning(reservation.c.scopes, reservation.c.amount, reservation.c.settled)
)
_NOTE_ERROR = Statement(update(reservation).where(reservation.c.id == bindparam("wanted")).values(error=bindparam("kind")))


def begin(connection: Connection, wanted: Scope) -> None:
    """Make a scope. An existing one stays as it is: its ceiling may have been raised since."""
    insert_once(connection, scope, id=wanted.id, ceiling=wanted.ceiling)


def new_id() -> str:
    """An id for a reservation. A caller that can be cancelled makes it before it reserves, to be able to close it."""
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
    """Hold `amount` micro-dollars in every scope and return the reservation's id. Raises `CeilingReached` if one refuses.

    The caller's transaction must end with that error, so that nothing stays held, and must have begun with `lose_earlier` and
    a look for the stored answer.
    """
    # In the caller's order, which is the same for all: two calls that locked the same rows in different orders would deadlock.
    for wanted in () if _taken_at_once(connection, scopes, amount) else scopes:
        if isinstance(wanted, Slice):
            _take_slice(connection, wanted, amount)
        else:
            _take(connection, wanted, amount)
    # After all scopes: if one refuses there is no reservation, and the rollback frees the others.
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


def lose_earlier(connection: Connection, call_key: str) -> list[str]:
    """Mark what earlier attempts of a call still hold as lost, which charges it in full: they never reported.

    Returns their ids. Call it before looking for the call's stored answer. It locks their rows, so that none of them can answer
    before the commit; the other way round, an attempt that answers in between is missed by both, and the call is paid for
    twice.
    """
    return [earlier for earlier in _held(connection, call_key) if close(connection, earlier, "lost")]


def _taken_at_once(connection: Connection, scopes: Sequence[Scope | Slice], amount: int) -> bool:
    plain = all(isinstance(one, Scope) and not one.kept_back for one in scopes)
    return plain and holdings.take_all(connection, [one.id for one in scopes], amount)


def _take(connection: Connection, wanted: Scope, amount: int) -> None:
    """Hold `amount` in one scope, which is made if it is new. Raises `CeilingReached`."""
    if holdings.take(connection, wanted.id, amount, wanted.kept_back):
        return
    # It may be new in this period; as a rule the first statement has found it.
    insert_once(connection, scope, id=wanted.id, ceiling=wanted.ceiling)
    if holdings.take(connection, wanted.id, amount, wanted.kept_back):
        return
    row = _SCOPE.first(connection, wanted=wanted.id)
    assert row is not None, "it was made or found just now"
    kept = row.ceiling * wanted.kept_back // 1000
    why = f"{usd(kept)} is kept back for what comes after its children; " if kept else ""
    raise CeilingReached(wanted.id, row.ceiling, row.spent, row.held, amount, why)


def _take_slice(connection: Connection, wanted: Slice, amount: int) -> None:
    """Hold `amount` in a child's slice. The parent's scope was taken before, so its row is locked and no sibling interferes."""
    if holdings.take(connection, wanted.id, amount):
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
    # Without a condition: the parent had the room, and the slice has just been made large enough for it.
    holdings.move(connection, [wanted.id], spent=0, held=amount)


def give_back(connection: Connection, slice_id: str) -> None:
    """Free what is left of an ended child's slice, or the part promised to a child that never called. Safe to call twice."""
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
    """Replace what was held by the real cost and return what is charged; a cost of None charges the full reservation.

    An attempt that was given up as lost and answers after all corrects its own row. Safe to call twice.
    """
    # As a rule it is held, and this one statement ends it.
    ended = _SETTLE.first(connection, wanted=reservation_id, cost=cost, now=now_us())
    if ended is not None:
        holdings.move(connection, json.loads(ended.scopes), spent=int(ended.settled), held=-int(ended.amount))
        return int(ended.settled)
    row = _row(connection, reservation_id)
    charged = row.amount if cost is None else cost
    # Settled or released before by this same attempt: the first time counts.
    if row.state not in ("held", "lost"):
        return int(row.settled)
    _close(connection, row, "settled", charged)
    return int(charged)


def close(connection: Connection, reservation_id: str, state: str, cost: int | None = None) -> bool:
    """End a reservation without a reply: `released` costs nothing, `lost` costs all of it, or `cost`. True if this changed it.

    A lost one can still be corrected by its own attempt, which knows that nothing was charged, or how much. One that ended
    otherwise, or was never made, stays as it is.
    """
    row = _ROW.first(connection, wanted=reservation_id)
    if row is None or row.state not in ("held", "lost"):
        return False
    charged = 0 if state == "released" else row.amount if cost is None else cost
    if row.state == "lost" and (state, row.settled) == ("lost", charged):
        return False
    if row.state == "lost" and state == "lost" and cost is None:
        return False
    _close(connection, row, state, charged)
    return True


def note_error(connection: Connection, reservation_id: str, kind: str) -> None:
    """Record the kind of error that a call ended with."""
    _NOTE_ERROR.run(connection, wanted=reservation_id, kind=kind)


def errors_of(connection: Connection, call_key: str, model: str, kind: str) -> tuple[int, int]:
    """How many attempts of a call ended at this model with this kind of error, and when the first of them began (0: none)."""
    query = select(func.count(reservation.c.id), func.min(reservation.c.at)).where(
        reservation.c.call_key == call_key, reservation.c.model == model, reservation.c.error == kind
    )
    times, since = connection.execute(query).one()
    return int(times), int(since or 0)


def errors_among(connection: Connection, call_keys: Collection[str], model: str, kind: str) -> int:
    """How many attempts of these calls ended at this model with this kind of error."""
    query = select(func.count(reservation.c.id)).where(
        reservation.c.call_key.in_(call_keys), reservation.c.model == model, reservation.c.error == kind
    )
    return int(connection.execute(query).scalar_one())


def close_left_over(connection: Connection, trace: str) -> None:
    """Mark what killed attempts of an ended run still hold as lost. One that answers after all corrects its own row."""
    # With its quotes, as in the stored list: the trace of another run may begin with the same letters.
    whole = json.dumps(f"run:{trace}")
    for special in "/%_":
        whole = whole.replace(special, f"/{special}")
    for left in _LEFT.all(connection, listed=f"%{whole}%"):
        close(connection, left.id, "lost")


def _close(connection: Connection, row: Row[Any], state: str, charged: int) -> None:
    # A lost one is charged in full already: only the difference moves.
    before, held = (0, row.amount) if row.state == "held" else (row.settled, 0)
    holdings.move(connection, json.loads(row.scopes), spent=charged - before, held=-held)
    _mark(connection, row.id, state, charged)


def _mark(connection: Connection, reservation_id: str, state: str, charged: int) -> None:
    _MARK.run(connection, wanted=reservation_id, to=state, charged=charged, now=now_us())


def _held(connection: Connection, call_key: str) -> list[str]:
    return [row.id for row in _HELD.all(connection, of=call_key)]


def _row(connection: Connection, reservation_id: str) -> Row[Any]:
    row = _ROW.first(connection, wanted=reservation_id)
    if row is None:
        raise NotFound(f"there is no reservation {reservation_id!r}; was the ledger restored from an older backup?")
    return row
