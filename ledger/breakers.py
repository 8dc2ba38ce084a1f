"""Circuit breakers, shared by all workers: after repeated failures calls stop for a while, then one probe call decides.

A breaker has no row until something fails. Closed: calls are made, and failures since the last success are counted. Open: no
calls until its time is over. Half open: one caller has the probe, and its result closes the breaker or opens it again.
Instants are UTC microseconds.
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
    """One failed call. `at_once` opens the breaker whatever the count; `wait` is the least time that it then stays open.

    `probe` is the caller's name if the call may have been the probe.
    """

    reason: str
    weight: int = 1
    at_once: bool = False
    wait: timedelta = timedelta()
    probe: str = ""


@dataclass(frozen=True)
class Opening:
    """A breaker that this failure opened. `times` counts openings since it was last closed; above 1 a probe has failed."""

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
            _MINE,  # a retry of the attempt that had the probe when its worker died
        ),
    )
    .values(state="half_open", probe=bindparam("who"), probe_until=_number("upto"), updated_at=_number("moment"))
)
"""Conditional UPDATEs: of several callers at the same moment exactly one opens the breaker, or gets the probe."""

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
    """Count a failure. Returns the opening to the one caller whose failure opened the breaker, None to everybody else.

    A call that fails while the breaker is open began before that and is not counted; a longer `wait` keeps it open longer.
    """
    said = plain(failure.reason)[:REASON_LIMIT]
    if failure.probe and _OPEN_AGAIN.run(connection, of=name, who=failure.probe, said=said, moment=now) == 1:
        return _stays_open(connection, name, failure, thresholds, now)
    # The row is made by the first failure: what never fails costs no row and no write.
    insert_once(connection, breaker, name=name, state="closed", reason="")
    oldest = now - _us(thresholds.window)
    _COUNT.run(connection, of=name, oldest=oldest, weight=failure.weight, said=said, moment=now)
    until = now + _us(failure.wait or thresholds.cooldown)
    least = 0 if failure.at_once else thresholds.failures
    # A statement of its own: of several failures that reach the limit together exactly one opens the breaker and reports it.
    if _OPEN_NOW.run(connection, of=name, least=least, moment=now, upto=until) == 1:
        return Opening(name, now, until, times=1)
    # It was open already; the provider asked for a longer wait.
    if failure.wait:
        _UNTIL.run(connection, of=name, upto=until)
    return None


def _stays_open(connection: Connection, name: str, failure: Failure, thresholds: Thresholds, now: int) -> Opening:
    """Keep a breaker open whose probe failed. The UPDATE before locked its row, so it may be read and then written."""
    row = get(connection, name)
    assert row is not None, "it was written just now"
    # The shift is bounded: a model that fails for weeks must not make ever larger numbers.
    longer = min(_us(thresholds.cooldown) << min(row.opened - 1, 20), _us(thresholds.longest))
    until = now + max(longer, _us(failure.wait))
    _UNTIL.run(connection, of=name, upto=until)
    return Opening(name, row.opened_at, until, times=row.opened)


def take_probe(connection: Connection, name: str, who: str, now: int, until: int) -> bool:
    """True for the one caller that gets the probe of a breaker whose open time is over. It has until `until` to report back."""
    return _PROBE.run(connection, of=name, who=who, moment=now, upto=until) == 1


def give_back(connection: Connection, name: str, who: str, now: int) -> None:
    """Give back a probe that showed nothing, because its call failed for an unrelated reason: the next caller may probe."""
    _GIVE_BACK.run(connection, of=name, who=who, moment=now)


def succeeded(connection: Connection, name: str, who: str, now: int) -> bool:
    """Forget earlier failures, and close the breaker if `who` has its probe. True if anything changed."""
    return _CLOSE.run(connection, of=name, who=who, moment=now) == 1


def proven(connection: Connection, name: str, now: int) -> bool:
    """As `succeeded`, whoever has the probe: for a success that is known only after its probe may have timed out."""
    return _CLOSE_PROVEN.run(connection, of=name, moment=now) == 1


def close_by_hand(connection: Connection, name: str, now: int) -> bool:
    """Close a breaker in any state. False if it was closed already."""
    return _CLOSE_BY_HAND.run(connection, of=name, moment=now) == 1


def get(connection: Connection, name: str) -> Row[Any] | None:
    """A breaker's row; None if nothing has ever failed."""
    return _ROW.first(connection, of=name)


def noteworthy(connection: Connection) -> list[Row[Any]]:
    """Every breaker that is open, half open, or has failures since the last success."""
    return _NOTEWORTHY.all(connection)


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
