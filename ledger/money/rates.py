"""Rate limits: how often, and with how many tokens, a model was asked in this minute. Counted for limited models only."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, delete, select, update

from contracts.errors import BatonError
from ledger.db import insert_once
from ledger.statement import Statement
from ledger.tables import rate

WINDOW = 60_000_000
"""A minute in microseconds. Windows begin with the minute of the clock, so two of them can meet at their edge."""

KEPT = 60 * WINDOW
"""Windows older than this are dropped when a new one begins."""


class RateLimited(BatonError):
    """The model's limit per minute is used up; the call was not made. It is made when the next minute begins."""

    def __init__(self, name: str, until: int, limit: "Rate") -> None:
        of = [f"{limit.requests} requests"] if limit.requests else []
        of += [f"{limit.tokens} tokens"] if limit.tokens else []
        super().__init__(f"{name}: its limit of {' and '.join(of)} per minute (routes.toml) is used up; the call waits")
        self.name, self.until = name, until


@dataclass(frozen=True)
class Rate:
    """What a model may be asked per minute. None: no limit of this kind."""

    requests: int | None
    tokens: int | None


@dataclass(frozen=True)
class Taken:
    """What a call has taken of which window, to be corrected when its real tokens are known."""

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
"""One conditional UPDATE: reading first and writing then lets two callers take the same room."""

_CORRECT = Statement(update(rate).where(*_HERE).values(tokens=rate.c.tokens + _number("more")))
_FORGET = Statement(delete(rate).where(rate.c.name == bindparam("of"), rate.c.window_at < _number("oldest")))
_IN_USE = Statement(select(rate).where(rate.c.window_at == _number("begins")))

_NO_LIMIT = 2**62


def take(connection: Connection, name: str, limit: Rate, tokens: int, now: int) -> Taken:
    """Count one request with so many tokens. Raises `RateLimited`, and counts nothing, where the limit leaves no room."""
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
    # The first call of a minute makes its window, and drops the windows of an hour ago.
    if insert_once(connection, rate, name=name, window_at=window):
        _FORGET.run(connection, of=name, oldest=window - KEPT)
    if _TAKE.run(connection, **asked) == 1:
        return Taken(name, window, tokens)
    raise RateLimited(name, window + WINDOW, limit)


def _most_before(limit: Rate, tokens: int) -> int:
    """How many tokens may be in use where a call of so many is let in.

    One that is larger than the whole limit would never be made, or only where nobody else asks: it is let in while there is
    any room, and fills the minute for the others.
    """
    if limit.tokens is None:
        return _NO_LIMIT
    return limit.tokens - tokens if tokens <= limit.tokens else limit.tokens - 1


def correct(connection: Connection, taken: Taken, tokens: int) -> None:
    """Put the tokens that a call really used in place of those that it was let in with."""
    # In the window in which it was let in, although it may have ended in another: that is where it took room.
    if tokens != taken.tokens:
        _CORRECT.run(connection, of=taken.name, begins=taken.window, more=tokens - taken.tokens)


def in_use(connection: Connection, now: int) -> dict[str, Row[Any]]:
    """What was taken in this minute, by model."""
    return {row.name: row for row in _IN_USE.all(connection, begins=now - now % WINDOW)}
