"""Money: reserve the worst case, call, settle what it really cost. Integer micro-dollars."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, literal, select, update

from contracts.errors import BatonError, NotFound
from ledger.db import insert_once, now_us
from ledger.statement import Statement
from ledger.tables import reservation, scope


class CeilingReached(BatonError):
    """A ceiling leaves no room for this call; it was not made. Raise the ceiling, or start a smaller run."""

    def __init__(self, scope_id: str, ceiling: int, spent: int, held: int, wanted: int) -> None:
        super().__init__(
            f"{scope_id}: the ceiling is {usd(ceiling)}, {usd(spent)} is spent and {usd(held)} held; "
            f"the call could cost {usd(wanted)} and was not made"
        )
        self.scope_id, self.ceiling, self.spent, self.held, self.wanted = scope_id, ceiling, spent, held, wanted


class Overtaken(BatonError):
    """The attempt that this one was to replace has just answered. Begin the transaction anew: its turn is there now."""


@dataclass(frozen=True)
class Scope:
    """One ceiling that a call counts against. `ceiling` is used when the scope is seen for the first time."""

    id: str
    ceiling: int


_AMOUNT = bindparam("amount", type_=BigInteger)
_TAKE = Statement(
    update(scope)
    .where(scope.c.id == bindparam("wanted"), scope.c.spent + scope.c.held + _AMOUNT <= scope.c.ceiling)
    .values(held=scope.c.held + _AMOUNT)
)
"""One conditional UPDATE: reading first and writing then lets two callers take the same room."""

_SHIFT = Statement(
    update(scope)
    .where(scope.c.id == bindparam("wanted"))
    .values(
        spent=scope.c.spent + bindparam("by_spent", type_=BigInteger),
        held=scope.c.held + bindparam("by_held", type_=BigInteger),
    )
)


_SCOPE = Statement(select(scope).where(scope.c.id == bindparam("wanted")))
_INSERT = Statement(reservation.insert(), ("id", "call_key", "scopes", "state", "amount", "price_version", "worker", "at"))
_HELD = Statement(
    select(reservation.c.id).where(reservation.c.call_key == bindparam("of"), reservation.c.state == literal("held"))
)
_ROW = Statement(select(reservation).where(reservation.c.id == bindparam("wanted")).with_for_update())
"""Locked until the end: an attempt that answers late and the one that gives it up as lost must not both charge it."""

_MARK = Statement(
    update(reservation)
    .where(reservation.c.id == bindparam("wanted"))
    .values(state=bindparam("to"), settled=bindparam("charged"))
)


def usd(micros: int) -> str:
    """Micro-dollars as people read them."""
    digits = 4 if micros == 0 or abs(micros) >= 100 else 6  # a little money must not read as none
    return f"${micros / 1_000_000:,.{digits}f}".removesuffix("00")


def set_ceiling(connection: Connection, wanted: Scope) -> None:
    """Set a scope's ceiling, whether or not it exists. Setting it again changes nothing."""
    insert_once(connection, scope, id=wanted.id, ceiling=wanted.ceiling)
    connection.execute(update(scope).where(scope.c.id == wanted.id).values(ceiling=wanted.ceiling))


def new_id() -> str:
    """An id for a reservation. A caller that may be cancelled makes it before it reserves, to be able to close it."""
    return secrets.token_hex(16)


def reserve(
    connection: Connection,
    call_key: str,
    scopes: list[Scope],
    amount: int,
    *,
    price_version: str,
    worker: str,
    identity: str | None = None,
) -> str:
    """Hold `amount` in every scope and return the reservation's id; `CeilingReached` and nothing held where one refuses.

    The caller's transaction must end with that error, and with `Overtaken`. Earlier reservations of the same call that are
    still held belong to attempts that never reported: they become lost and stay charged in full.
    """
    lose_earlier(connection, call_key)
    for wanted in scopes:
        _take(connection, wanted, amount)
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
    }
    _INSERT.run(connection, **row)
    return identity


def lose_earlier(connection: Connection, call_key: str) -> None:
    """What earlier attempts of a call still hold is lost. Raises `Overtaken` where one of them has just answered."""
    for earlier in _held(connection, call_key):
        if not close(connection, earlier, "lost"):
            # PostgreSQL: its answer was committed while we waited for its row, after we had looked for its turn.
            raise Overtaken


def _take(connection: Connection, wanted: Scope, amount: int) -> None:
    """Hold `amount` in one scope, which is made where it is new."""
    if _TAKE.run(connection, wanted=wanted.id, amount=amount) == 1:
        return
    insert_once(connection, scope, id=wanted.id, ceiling=wanted.ceiling)
    if _TAKE.run(connection, wanted=wanted.id, amount=amount) == 1:
        return
    row = _SCOPE.first(connection, wanted=wanted.id)
    assert row is not None, "it was made or found just now"
    raise CeilingReached(wanted.id, row.ceiling, row.spent, row.held, amount)


def settle(connection: Connection, reservation_id: str, cost: int | None) -> int:
    """Put the real cost in place of what was held and return what is charged. None settles at the full reservation.

    An attempt that was given up as lost and answers all the same corrects its own row. Settling twice changes nothing.
    """
    row = _row(connection, reservation_id)
    charged = row.amount if cost is None else cost
    if row.state == "held":
        _close(connection, row, "settled", charged)
    elif row.state == "lost":
        _move(connection, json.loads(row.scopes), spent=charged - row.settled, held=0)
        _mark(connection, reservation_id, "settled", charged)
    else:
        charged = row.settled
    return int(charged)


def close(connection: Connection, reservation_id: str, state: str) -> bool:
    """End a held reservation without a reply: `released` costs nothing, `lost` costs all of it. True if it was held.

    One that is not held, or was never made, stays as it is.
    """
    row = _ROW.first(connection, wanted=reservation_id)
    if row is None or row.state != "held":
        return False
    _close(connection, row, state, row.amount if state == "lost" else 0)
    return True


def close_left_over(connection: Connection, trace: str) -> None:
    """A run has ended: what its killed attempts still hold is lost. One that answers all the same corrects its own row."""
    query = select(reservation.c.id).where(
        reservation.c.state == "held", reservation.c.scopes.contains(json.dumps(f"run:{trace}"), autoescape=True)
    )
    for left in list(connection.execute(query).scalars()):
        close(connection, left, "lost")


def _close(connection: Connection, row: Row[Any], state: str, charged: int) -> None:
    _move(connection, json.loads(row.scopes), spent=charged, held=-row.amount)
    _mark(connection, row.id, state, charged)


def _move(connection: Connection, scopes: list[str], *, spent: int, held: int) -> None:
    _SHIFT.run_each(connection, [{"wanted": one, "by_spent": spent, "by_held": held} for one in scopes])


def _mark(connection: Connection, reservation_id: str, state: str, charged: int) -> None:
    _MARK.run(connection, wanted=reservation_id, to=state, charged=charged)


def _held(connection: Connection, call_key: str) -> list[str]:
    return [row.id for row in _HELD.all(connection, of=call_key)]


def _row(connection: Connection, reservation_id: str) -> Row[Any]:
    row = _ROW.first(connection, wanted=reservation_id)
    if row is None:
        raise NotFound(f"there is no reservation {reservation_id!r}; was the ledger restored from an older backup?")
    return row
