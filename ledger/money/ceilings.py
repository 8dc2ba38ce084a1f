"""Ceilings over time: who changed one, which runs wait at one, and what a month will cost at its pace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, literal, or_, select, update

from contracts.base import digest_of
from contracts.errors import NotFound, Refused
from contracts.money import CeilingRefused, level_of, resets_at, usd
from ledger.db import insert_once, now_us
from ledger.figures.forecast import carried_on
from ledger.money.spend import Scope
from ledger.statement import Statement
from ledger.tables import ceiling_change, run, scope, trip

_CLOSE_ALL = Statement(
    update(trip)
    .where(trip.c.trace == bindparam("of"), trip.c.closed_at.is_(None))
    .values(closed_at=bindparam("now", type_=BigInteger), how=literal("cancelled"))
)
CONFIGURED = "baton.toml"
"""`by` of a change that no person typed: the configured value was edited."""


@dataclass(frozen=True)
class Change:
    """A change of a ceiling, in micro-dollars. `id` is its idempotency key."""

    id: str
    scope: str
    to: int
    by: str
    why: str
    channel: str


def ensure(connection: Connection, scope_id: str, configured: int) -> int:
    """A scope's ceiling; a scope that no call has counted against yet is made with the configured one."""
    insert_once(connection, scope, id=scope_id, ceiling=configured)
    found = ceiling_of(connection, scope_id)
    assert found is not None, "it was made or found just now"
    return found


def change(connection: Connection, wanted: Change, configured: int | None = None) -> int:
    """Set a scope's ceiling, record who did it and why, and return the previous value. Safe to call twice.

    It may be lower than what is spent and held: then no further call is granted. A scope that no call has counted against yet
    is made with `configured`; if that is None it raises `NotFound`.
    """
    before = ceiling_of(connection, wanted.scope) if configured is None else ensure(connection, wanted.scope, configured)
    if before is None:
        raise NotFound(f"no call has counted against {wanted.scope!r} yet; its ceiling is the configured one")
    fields = {"scope": wanted.scope, "by": wanted.by, "why": wanted.why, "channel": wanted.channel}
    # The record first: if it exists, this change was applied before, and the ceiling may have been raised further since.
    if insert_once(connection, ceiling_change, id=wanted.id, before=before, after=wanted.to, at=now_us(), **fields):
        connection.execute(update(scope).where(scope.c.id == wanted.scope).values(ceiling=wanted.to))
        return before
    kept = connection.execute(select(ceiling_change.c.before).where(ceiling_change.c.id == wanted.id)).scalar_one()
    return int(kept)


def raise_to(connection: Connection, wanted: Change) -> int:
    """As `change`, but raises `Refused` unless the new ceiling is higher than the present one."""
    before = ceiling_of(connection, wanted.scope)
    # A repeat of a change that was applied must not be refused because the ceiling is that high by now.
    there = connection.execute(select(ceiling_change.c.id).where(ceiling_change.c.id == wanted.id)).scalar()
    if there is None and before is not None and wanted.to <= before:
        # A run's scope is its trace, which nobody has typed.
        whose = "the run" if level_of(wanted.scope) == "run" else wanted.scope
        raise Refused(f"{whose}: the ceiling is {usd(before)}, and {usd(wanted.to)} is not above that; name a higher one")
    return change(connection, wanted)


def configure(connection: Connection, scopes: Sequence[Scope]) -> list[Change]:
    """Apply configured ceilings that were edited and return these changes. One that a person raised stays, unless the setting
    was edited since. Safe to call twice.

    Scopes that no call has counted against start with the configured value anyway.
    """
    changed = []
    for wanted in scopes:
        known = _configured(connection, wanted.id)
        if known is not None and known != wanted.ceiling:
            # The number of earlier changes is part of the id: the same value can be configured a second time.
            number = connection.execute(select(func.count()).where(ceiling_change.c.scope == wanted.id)).scalar_one()
            one = Change(
                id=digest_of("configured", wanted.id, str(number), str(wanted.ceiling)),
                scope=wanted.id,
                to=wanted.ceiling,
                by=CONFIGURED,
                why=f"the setting was {usd(known)} before",
                channel="config",
            )
            change(connection, one)
            changed.append(one)
    return changed


def _configured(connection: Connection, scope_id: str) -> int | None:
    """The configured value of a scope when it was last applied; None if no call has counted against the scope."""
    changes = select(ceiling_change).where(ceiling_change.c.scope == scope_id).order_by(ceiling_change.c.at)
    rows = connection.execute(changes).all()
    by_config = [row.after for row in rows if row.by == CONFIGURED]
    if by_config:
        return int(by_config[-1])
    return int(rows[0].before) if rows else ceiling_of(connection, scope_id)


def ceiling_of(connection: Connection, scope_id: str) -> int | None:
    """A scope's ceiling in micro-dollars; None if no call has counted against it yet. Locks its row for this transaction."""
    found = connection.execute(select(scope.c.ceiling).where(scope.c.id == scope_id).with_for_update()).scalar()
    return None if found is None else int(found)


def changes(connection: Connection, scope_id: str | None = None) -> list[Row[Any]]:
    """Every change, or those of one scope, oldest first."""
    query = select(ceiling_change).order_by(ceiling_change.c.at, ceiling_change.c.id)
    return list(connection.execute(query if scope_id is None else query.where(ceiling_change.c.scope == scope_id)).all())


# Runs that wait at a ceiling


def trip_open(connection: Connection, trace: str, gate: str, project: str, refused: CeilingRefused) -> None:
    """Record that a run waits at this gate because of a ceiling. Called again it only reopens a trip that was closed."""
    numbers = {"ceiling": refused.ceiling, "spent": refused.spent, "held": refused.held, "wanted": refused.wanted}
    if not insert_once(connection, trip, trace=trace, gate=gate, scope=refused.scope, project=project, at=now_us(), **numbers):
        # After a reset the run can wait at the same gate once more.
        again = update(trip).where(trip.c.trace == trace, trip.c.gate == gate)
        connection.execute(again.values(closed_at=None, how="", by=""))


def trip_closed(connection: Connection, trace: str, gate: str, how: str, by: str) -> None:
    """Record how a run's wait at a ceiling ended. Safe to call twice: the first end counts."""
    query = update(trip).where(trip.c.trace == trace, trip.c.gate == gate, trip.c.closed_at.is_(None))
    connection.execute(query.values(closed_at=now_us(), how=how, by=by))


def close_left_over(connection: Connection, trace: str) -> None:
    """Close the trips of a run that has ended."""
    _CLOSE_ALL.run(connection, of=trace, now=now_us())


def waiting(connection: Connection, scope_id: str | None = None) -> list[Row[Any]]:
    """The runs that wait at any ceiling, or at this one, each with its workflow id; the longest wait comes first."""
    # By the run's end, too: one that was terminated from outside leaves its trip open.
    query = (
        select(trip, run.c.workflow_id)
        .join(run, run.c.trace == trip.c.trace)
        .where(trip.c.closed_at.is_(None), run.c.ended_at.is_(None))
        .order_by(trip.c.at)
    )
    return list(connection.execute(query if scope_id is None else query.where(trip.c.scope == scope_id)).all())


def exhausted(connection: Connection, scopes: Sequence[str]) -> CeilingRefused | None:
    """The first of these ceilings that is used up or that runs wait at, as it would refuse one more run; None if none is."""
    taken = scope.c.spent + scope.c.held
    # Only waits that would still be refused: a run terminated from outside leaves its trip open, and after a raise that
    # must not keep others out.
    someone_waits = select(trip.c.scope).where(
        trip.c.scope == scope.c.id,
        trip.c.closed_at.is_(None),
        taken + trip.c.wanted > scope.c.ceiling,
        select(run.c.trace).where(run.c.trace == trip.c.trace, run.c.ended_at.is_(None)).exists(),
    )
    query = select(scope).where(scope.c.id.in_(scopes), or_(taken >= scope.c.ceiling, someone_waits.exists()))
    row = connection.execute(query.order_by(scope.c.id)).first()
    if row is None:
        return None
    return CeilingRefused(
        scope=row.id, ceiling=row.ceiling, spent=row.spent, held=row.held, wanted=0, resets_at=resets_at(row.id)
    )


# A month at its pace


@dataclass(frozen=True)
class Pace:
    """A month's ceiling, and what the month will cost if it goes on as so far. Micro-dollars."""

    ceiling: int
    projected: int


def month_at_its_pace(connection: Connection, now: datetime, after: timedelta, scope_id: str) -> Pace | None:
    """The pace of a month's scope: what is spent and held so far, extrapolated to the end of the month.

    None before `after` of the month has passed, or while nothing is spent: there is no pace yet.
    """
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ends = resets_at(scope_id)
    assert ends is not None, "a month ends"
    row = connection.execute(select(scope).where(scope.c.id == scope_id)).first()
    if row is None or row.spent + row.held == 0 or now - start < after:
        return None
    return Pace(int(row.ceiling), carried_on(int(row.spent + row.held), now - start, ends - start))
