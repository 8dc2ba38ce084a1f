"""Circuit breakers: what keeps failing is left alone for a while, by every worker, and then tried with one call.

A breaker has no row until something fails. Closed: calls are made, and failures since the last success are counted. Open:
nobody calls until its time is over. Half open: one caller has the probe, and what becomes of it closes or opens the breaker.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, and_, bindparam, case, or_, select, update

from ledger.db import insert_once, plain
from ledger.statement import Statement
from ledger.tables import breaker

REASON_LIMIT = 500


@dataclass(frozen=True)
class Thresholds:
    """When a breaker opens, and for how long. `cooldown` doubles with every probe that fails, up to `longest`."""

    failures: int
    window: timedelta
    cooldown: timedelta
    longest: timedelta


@dataclass(frozen=True)
class Failure:
    """One failed call. `at_once` opens the breaker whatever was counted; `wait` is how long it stays open at least."""

    reason: str
    weight: int = 1
    at_once: bool = False
    wait: timedelta = timedelta()
    probe: str = ""


@dataclass(frozen=True)
class Opening:
    """A breaker that this failure opened. `times` counts from the first opening; more than 1 is a probe that failed."""

    name: str
    opened_at: int
    until: int
    times: int


def _number(name: str) -> Any:
    return bindparam(name, type_=BigInteger)


_OF = breaker.c.name == bindparam("of")
_CLOSED, _OPEN, _HALF_OPEN = (breaker.c.state == one for one in ("closed", "open", "half_open"))
_STALE = or_(breaker.c.window_at <= _number("oldest"), breaker.c.failures == 0)
_MINE = and_(_HALF_OPEN, breaker.c.probe == bindparam("who"))

_COUNT = Statement(
    update(breaker)
    .where(_OF, _CLOSED)
    .values(
        failures=case((_STALE, _number("weight")), else_=breaker.c.failures + _number("weight")),
        window_at=case((_STALE, _number("moment")), else_=breaker.c.window_at),
        reason=bindparam("said"),
        updated_at=_number("moment"),
    )
)
_OPEN_NOW = Statement(
    update(breaker)
    .where(_OF, _CLOSED, breaker.c.failures >= _number("least"))
    .values(state="open", opened_at=_number("moment"), until=_number("upto"), opened=1, updated_at=_number("moment"))
)
_OPEN_AGAIN = Statement(
    update(breaker)
    .where(_OF, _MINE)
    .values(state="open", opened=breaker.c.opened + 1, probe="", reason=bindparam("said"), updated_at=_number("moment"))
)
_UNTIL = Statement(update(breaker).where(_OF, _OPEN, breaker.c.until < _number("upto")).values(until=_number("upto")))
_PROBE = Statement(
    update(breaker)
    .where(
        _OF,
        or_(
            and_(_OPEN, breaker.c.until <= _number("moment")),
            and_(_HALF_OPEN, breaker.c.probe_until <= _number("moment")),
            _MINE,  # a caller whose worker died comes back for it
        ),
    )
    .values(state="half_open", probe=bindparam("who"), probe_until=_number("upto"), updated_at=_number("moment"))
)
"""Conditional UPDATEs: of callers that look at the same moment one alone may count itself as the one that opens or probes."""

_GIVE_BACK = Statement(update(breaker).where(_OF, _MINE).values(state="open", probe="", updated_at=_number("moment")))


def _close(which: ColumnElement[bool]) -> Statement:
    return Statement(
        update(breaker).where(_OF, which).values(state="closed", failures=0, opened=0, probe="", updated_at=_number("moment"))
    )


_FAILING = and_(_CLOSED, breaker.c.failures > 0)
_CLOSE = _close(or_(_FAILING, _MINE))
_CLOSE_PROVEN = _close(or_(_FAILING, _HALF_OPEN))
_CLOSE_BY_HAND = _close(breaker.c.state != "closed")
_ROW = Statement(select(breaker).where(_OF))
_NOTEWORTHY = Statement(select(breaker).where(or_(breaker.c.state != "closed", breaker.c.failures > 0)))


def failed(connection: Connection, name: str, failure: Failure, thresholds: Thresholds, now: int) -> Opening | None:
    """Count a failure. The opening, for the one caller whose failure opened the breaker; None for everybody else.

    What fails while the breaker is open began before, and counts for nothing; only a longer `wait` prolongs it.
    """
    said = plain(failure.reason)[:REASON_LIMIT]
    if failure.probe and _OPEN_AGAIN.run(connection, of=name, who=failure.probe, said=said, moment=now) == 1:
        return _stays_open(connection, name, failure, thresholds, now)
    # Made by its first failure: what never fails costs no row and no write.
    insert_once(connection, breaker, name=name, state="closed", reason="")
    oldest = now - _us(thresholds.window)
    _COUNT.run(connection, of=name, oldest=oldest, weight=failure.weight, said=said, moment=now)
    until = now + _us(failure.wait or thresholds.cooldown)
    least = 0 if failure.at_once else thresholds.failures
    # A statement of its own: of several failures that reach the limit together one opens the breaker, and tells of it.
    if _OPEN_NOW.run(connection, of=name, least=least, moment=now, upto=until) == 1:
        return Opening(name, now, until, times=1)
    # It was open already; the provider has only asked for a longer time.
    if failure.wait:
        _UNTIL.run(connection, of=name, upto=until)
    return None


def _stays_open(connection: Connection, name: str, failure: Failure, thresholds: Thresholds, now: int) -> Opening:
    """The probe failed. Its row is ours until the end of the transaction, so it may be read and written."""
    row = get(connection, name)
    assert row is not None, "it was written just now"
    # Bounded before it is shifted: what fails for weeks must not make numbers of any length.
    longer = min(_us(thresholds.cooldown) << min(row.opened - 1, 20), _us(thresholds.longest))
    until = now + max(longer, _us(failure.wait))
    _UNTIL.run(connection, of=name, upto=until)
    return Opening(name, row.opened_at, until, times=row.opened)


def take_probe(connection: Connection, name: str, who: str, now: int, until: int) -> bool:
    """True for the one caller that may try an open breaker whose time is over. It has until then to say what came of it."""
    return _PROBE.run(connection, of=name, who=who, moment=now, upto=until) == 1


def give_back(connection: Connection, name: str, who: str, now: int) -> None:
    """The probe told nothing, because the call failed for a reason of its own: the next caller may probe."""
    _GIVE_BACK.run(connection, of=name, who=who, moment=now)


def succeeded(connection: Connection, name: str, who: str, now: int) -> bool:
    """Forget earlier failures, and close the breaker where `who` has its probe. True if there was anything to change."""
    return _CLOSE.run(connection, of=name, who=who, moment=now) == 1


def proven(connection: Connection, name: str, now: int) -> bool:
    """The same whoever has the probe: for what is known to be well long after the probe that asked may have run out."""
    return _CLOSE_PROVEN.run(connection, of=name, moment=now) == 1


def close_by_hand(connection: Connection, name: str, now: int) -> bool:
    """Close a breaker whatever it waits for. False if it was closed."""
    return _CLOSE_BY_HAND.run(connection, of=name, moment=now) == 1


def get(connection: Connection, name: str) -> Row[Any] | None:
    """A breaker's row; None where nothing has ever failed."""
    return _ROW.first(connection, of=name)


def noteworthy(connection: Connection) -> list[Row[Any]]:
    """Every breaker that is not simply closed: open, half open, or with failures since the last success."""
    return _NOTEWORTHY.all(connection)


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
