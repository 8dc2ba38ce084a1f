"""What `baton budget show` shows, and correcting what a lost call was charged."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from commands import queries
from commands.errors import Usage
from commands.output import clock
from contracts.errors import NotFound
from contracts.money import Ceilings, micros, resets_at, usd
from contracts.runs import Note, RunRef
from ledger import feed
from ledger.db import from_us
from ledger.money import ceilings as in_ledger
from ledger.money import spend
from ledger.tables import reservation, scope


@dataclass(frozen=True)
class Line:
    """One ceiling. Micro-dollars. `waiting` counts the runs that wait at it."""

    name: str
    scope: str
    ceiling: int
    spent: int
    held: int
    waiting: int

    @property
    def trace(self) -> str:
        """Of the run whose ceiling it is."""
        return self.scope.removeprefix("run:").split("/")[0]

    def cells(self) -> list[str]:
        """As a row of a table."""
        until = resets_at(self.scope)
        left = usd(max(self.ceiling - self.spent - self.held, 0))
        money = [usd(self.ceiling), usd(self.spent), usd(self.held), left]
        return [self.name, *money, str(self.waiting or "-"), clock(until) if until else "-"]

    def as_json(self) -> dict[str, Any]:
        """With stable names."""
        money = {f"{name}_micros": getattr(self, name) for name in ("ceiling", "spent", "held")}
        return {"ceiling": self.name, "scope": self.scope, **money, "waiting": self.waiting, "resets_at": resets_at(self.scope)}


def of_today(connection: Connection, configured: Ceilings, now: datetime) -> list[Line]:
    """This month, this day of each agent, those of projects, and every run that waits at its own."""
    day, month = f"{now:%Y-%m-%d}", f"{now:%Y-%m}"
    waiting = in_ledger.waiting(connection)
    names = {f"run:{row.trace}": f"run {row.workflow_id}" for row in waiting}
    wanted = or_(
        scope.c.id.in_([f"month:{month}", *names]),
        scope.c.id.like(f"project:%:month:{month}"),
        and_(or_(scope.c.id.like("agent:%"), scope.c.id.like("project:%:agent:%")), scope.c.id.like(f"%:{day}")),
    )
    rows = list(connection.execute(select(scope).where(wanted).order_by(scope.c.id)).all())
    lines = _lines(rows, waiting, names)
    if configured.month_usd is not None and not any(line.scope == f"month:{month}" for line in lines):
        lines.append(Line(f"month:{month}", f"month:{month}", micros(configured.month_usd), 0, 0, 0))
    return sorted(lines, key=lambda line: (not line.scope.startswith("month"), line.name))


def of_run(connection: Connection, name: str) -> list[Line]:
    """One run's ceiling, then the parts of its children."""
    found = queries.find_run(connection, name)
    whole = f"run:{found.trace}"
    query = (
        select(scope).where((scope.c.id == whole) | scope.c.id.startswith(f"{whole}/", autoescape=True)).order_by(scope.c.id)
    )
    rows = list(connection.execute(query).all())
    names = {row.id: row.id.removeprefix(whole).lstrip("/") or f"run {found.workflow_id}" for row in rows}
    return _lines(rows, [one for one in in_ledger.waiting(connection) if one.trace == found.trace], names)


def _lines(rows: Sequence[Row[Any]], waiting: Sequence[Row[Any]], names: dict[str, str]) -> list[Line]:
    counts = [row.scope for row in waiting]
    return [
        Line(names.get(row.id, row.id), row.id, int(row.ceiling), int(row.spent), int(row.held), counts.count(row.id))
        for row in rows
    ]


def lost_calls(connection: Connection, trace: str | None = None) -> list[dict[str, Any]]:
    """Calls that were lost with their worker and are charged in full, newest first: at most a hundred."""
    query = select(reservation).where(reservation.c.state == "lost", reservation.c.settled > 0)
    query = query if trace is None else query.where(reservation.c.trace == trace)
    rows = connection.execute(query.order_by(reservation.c.at.desc()).limit(100)).all()
    return [
        {"key": row.call_key, "agent": row.agent, "model": row.model, "charged_micros": int(row.settled), "at": from_us(row.at)}
        for row in rows
    ]


@dataclass(frozen=True)
class Corrected:
    """A lost attempt's charge before and after, and how many more of its call are still charged. Micro-dollars."""

    key: str
    before: int
    after: int
    more: int


def reconciled(connection: Connection, key: str, cost: str, by: str, why: str) -> Corrected:
    """Correct the charge of the lost call with this key, of its attempts the oldest. Raises `NotFound`, or `Usage`."""
    if not re.fullmatch(r"\$?\d{1,9}(\.\d{1,6})?", cost.strip()):
        raise Usage(f"--cost {cost[:40]!r} is not an amount in US dollars; write a number such as 0.0125, or 0")
    rows = _lost(connection, key)
    row, wanted = rows[0], micros(Decimal(cost.strip().removeprefix("$")))
    now = spend.settle(connection, row.id, wanted)
    note = Note(
        key=f"reconciled/{row.id}",
        at=datetime.now(UTC),
        stage="money",
        actor=by,
        channel="cli",
        did=f"corrected a lost call's charge from {usd(row.settled)} to {usd(now)}",
        why=why,
        importance="detail",
    )
    feed.append(connection, RunRef(trace=row.trace or "budget", path=row.path, project=row.project or "default"), [note])
    return Corrected(row.call_key, int(row.settled), now, len(rows) - 1)


def _lost(connection: Connection, key: str) -> Sequence[Row[Any]]:
    """The lost attempts of the one call whose key begins so, oldest first, which is the order of a bill. Raises `NotFound`."""
    query = select(reservation).where(
        reservation.c.call_key.startswith(key, autoescape=True), reservation.c.state == "lost", reservation.c.settled > 0
    )
    rows = connection.execute(query.order_by(reservation.c.at)).all() if len(key) >= queries.SHORTEST else []
    if not rows:
        raise NotFound(
            f"no call that begins with {key!r} is charged as lost; a call that was answered is settled by its answer"
        )
    calls = len({row.call_key for row in rows})
    if calls > 1:
        raise NotFound(f"{calls} lost calls begin with {key!r}: type more of the key; `baton budget show --json` has it whole")
    return rows
