"""What is held and spent under each ceiling: taken where there is room, and moved when a call has ended."""

import functools
from collections.abc import Sequence

from sqlalchemy import BigInteger, Connection, bindparam, func, literal, or_, select, update

from ledger.statement import SOME, Statement
from ledger.tables import scope

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
"""One conditional UPDATE: a read followed by a write would let two callers take the same room. A free call needs no room."""

_BY_SPENT, _BY_HELD = (bindparam(name, type_=BigInteger) for name in ("by_spent", "by_held"))
_SHIFT = Statement(
    update(scope).where(scope.c.id == bindparam("wanted")).values(spent=scope.c.spent + _BY_SPENT, held=scope.c.held + _BY_HELD)
)


def take(connection: Connection, wanted: str, amount: int, kept_back: int = 0) -> bool:
    """Hold `amount` in one scope, and leave the part of its ceiling, per mille, that is kept back. False if there is no room,
    or no such scope."""
    return _TAKE.run(connection, wanted=wanted, amount=amount, back=kept_back) == 1


def take_all(connection: Connection, wanted: Sequence[str], amount: int) -> bool:
    """Hold `amount` in all of these scopes by one statement. False, and nothing is held, if they have to be taken one by one.

    That is so where one has no room or is not there yet; and on PostgreSQL, which locks the rows of one statement in no order
    that anybody knows: two calls would deadlock.
    """
    if connection.dialect.name != "sqlite" or not 1 < len(wanted) <= SOME:
        return False
    return _take_all(len(wanted)).run(connection, **_named(wanted), amount=amount) == len(wanted)


def move(connection: Connection, scopes: Sequence[str], *, spent: int, held: int) -> None:
    """Add to what is spent and held in these scopes, by which they may also become less."""
    if connection.dialect.name == "sqlite" and len(scopes) <= SOME:
        _shift_all(len(scopes)).run(connection, **_named(scopes), by_spent=spent, by_held=held)
        return
    # One by one, in the order in which every call locks them: others would deadlock on PostgreSQL.
    _SHIFT.run_each(connection, [{"wanted": one, "by_spent": spent, "by_held": held} for one in scopes])


def _named(ids: Sequence[str]) -> dict[str, str]:
    return {f"wanted__{at}": one for at, one in enumerate(ids)}


@functools.cache
def _take_all(count: int) -> Statement:
    """As `_TAKE`, in so many scopes or in none: it touches them only if all are there and have the room."""
    wanted = [bindparam(name, type_=scope.c.id.type) for name in _named([""] * count)]
    other = scope.alias("other")
    room = or_(_AMOUNT == 0, other.c.spent + other.c.held + _AMOUNT <= other.c.ceiling)
    with_room = select(func.count()).select_from(other).where(other.c.id.in_(wanted), room).scalar_subquery()
    taken = update(scope).where(scope.c.id.in_(wanted), with_room == literal(count, BigInteger))
    return Statement(taken.values(held=scope.c.held + _AMOUNT))


@functools.cache
def _shift_all(count: int) -> Statement:
    wanted = [bindparam(name, type_=scope.c.id.type) for name in _named([""] * count)]
    moved = update(scope).where(scope.c.id.in_(wanted))
    return Statement(moved.values(spent=scope.c.spent + _BY_SPENT, held=scope.c.held + _BY_HELD))
