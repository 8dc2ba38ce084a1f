"""Rate limits: requests and tokens of each model in the present minute. Counted for limited models only."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, delete, select, update

from contracts.errors import BatonError
from ledger.db import insert_once
from ledger.statement import Statement
from ledger.tables import rate

WINDOW = 60_000_000
"""A minute in microseconds. Windows follow the clock, so around an edge up to two limits' worth can be used in a minute."""

KEPT = 60 * WINDOW
"""Windows older than this are deleted when a new one begins."""


class RateLimited(BatonError):
    """The model's rate limit is used up; the call was not made. It is made when the next minute begins."""

    def __init__(self, name: str, until: int, limit: "Rate") -> None:
        of = [f"{limit.requests} requests"] if limit.requests else []
        of += [f"{limit.tokens} tokens"] if limit.tokens else []
        super().__init__(f"{name}: its rate limit of {' and '.join(of)} per minute (routes.toml) is used up; the call waits")
        self.name, self.until = name, until


@dataclass(frozen=True)
class Rate:
    """A model's rate limit per minute. None: no limit of this kind."""

    requests: int | None
    tokens: int | None


@dataclass(frozen=True)
class Taken:
    """The tokens that a call has taken of a window, to be corrected once its real tokens are known."""

    name: str
    window: int
    tokens: int


def _number(name: str) -> Any:
    return bindparam(name, type_=BigInteger)


_HERE = (rate.c.name == bindparam("of"), rate.c.window_at == _number("begins"))
_TAKE = Statement(
    update(rate)
    .where(
        *_HERE,
        rate.c.requests < _number("most_requests"),
        rate.c.tokens <= _number("most_before"),
    )
    .values(requests=rate.c.requests + 1, tokens=rate.c.tokens + _number("more"))
)
"""One conditional UPDATE: a read followed by a write would let two callers take the same room."""

_CORRECT = Statement(update(rate).where(*_HERE).values(tokens=rate.c.tokens + _number("more")))
_FORGET = Statement(delete(rate).where(rate.c.name == bindparam("of"), rate.c.window_at < _number("oldest")))
_IN_USE = Statement(select(rate).where(rate.c.window_at == _number("begins")))

_NO_LIMIT = 2**62


def take(connection: Connection, name: str, limit: Rate, tokens: int, now: int) -> Taken:
    """Count one request with so many tokens. Raises `RateLimited`, and counts nothing, if the limit leaves no room."""
    window = now - now % WINDOW
    asked = {
        "of": name,
        "begins": window,
        "more": tokens,
        "most_requests": _NO_LIMIT if limit.requests is None else limit.requests,
        "most_before": _most_before(limit, tokens),
    }
    if _TAKE.run(connection, **asked) == 1:
        return Taken(name, window, tokens)
    # The first call of a minute makes its window, and deletes those of more than an hour ago.
    if insert_once(connection, rate, name=name, window_at=window):
        _FORGET.run(connection, of=name, oldest=window - KEPT)
    if _TAKE.run(connection, **asked) == 1:
        return Taken(name, window, tokens)
    raise RateLimited(name, window + WINDOW, limit)


def _most_before(limit: Rate, tokens: int) -> int:
    """The most tokens in use at which a call of this size is let in.

    A call larger than the whole limit would never fit: it is let in while there is any room, and fills the minute for others.
    """
    if limit.tokens is None:
        return _NO_LIMIT
    return limit.tokens - tokens if tokens <= limit.tokens else limit.tokens - 1


def correct(connection: Connection, taken: Taken, tokens: int) -> None:
    """Replace the tokens that a call was let in with by those that it really used. Not safe to call twice."""
    # In the window that let it in, although it may have ended in a later one: that is where it took room.
    if tokens != taken.tokens:
        _CORRECT.run(connection, of=taken.name, begins=taken.window, more=tokens - taken.tokens)


def in_use(connection: Connection, now: int) -> dict[str, Row[Any]]:
    """What has been taken in the present minute, by model."""
    return {row.name: row for row in _IN_USE.all(connection, begins=now - now % WINDOW)}
