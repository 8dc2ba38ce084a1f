"""What is kept of run families, and which of them have to be read from their rows. Only reads; `ledger.folding` writes.

A family's figures hold as long as nothing of it has changed, and for periods in which it is whole. Both are answered by the
statement that reads the figures: between two, a family could be kept and be counted twice, or never.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, or_, select, true

from ledger.figures.period import Period
from ledger.tables import figures_changed, kept_figures, kept_spending, reservation, turn

By = Literal["run", "agent", "model", "pipeline", "project", "day"]

_NUMBERS = tuple(
    kept_spending.c[name]
    for name in (
        *("spent", "held", "unknown", "calls", "calls_held", "calls_unknown"),
        *("useful", "retried", "repaired", "thrown_away"),
    )
)
_HOLDS = ~exists().where(figures_changed.c.trace == kept_figures.c.trace)


class Kept(NamedTuple):
    """A family's figures: see `ledger.figures.packing`."""

    trace: str
    body: dict[str, Any]


def spending(
    connection: Connection, period: Period, by: By, project: str | None
) -> tuple[list[tuple[str, dict[str, int]]], list[str]]:
    """Sums of charges by group, a group at most once; and the traces of the families that are not among them."""
    key = kept_spending.c[by]
    sums = select(literal(1).label("is_kept"), key.label("name"), *(func.sum(one).label(one.name) for one in _NUMBERS))
    sums = sums.join(kept_figures, kept_figures.c.trace == kept_spending.c.trace).where(*_whole(period), _HOLDS).group_by(key)
    if project is not None:
        sums = sums.where(kept_spending.c.project == project)
    zeros = [literal(0).label(one.name) for one in _NUMBERS]
    others = [one.with_only_columns(literal(0), one.selected_columns[0], *zeros) for one in _others(period)]
    rows = connection.execute(sums.union_all(*others)).all()
    kept = [(row.name, {one.name: int(getattr(row, one.name)) for one in _NUMBERS}) for row in rows if row.is_kept]
    return kept, sorted({row.name for row in rows if not row.is_kept})


def figures(connection: Connection, period: Period, project: str | None) -> tuple[list[Kept], list[str]]:
    """The figures of each family, of all projects (None) or of one; and the traces of the families that are not among them."""
    whole = select(kept_figures.c.trace, kept_figures.c.body).where(*_whole(period), _HOLDS)
    if project is not None:
        whole = whole.where(kept_figures.c.project == project)
    others = [one.with_only_columns(one.selected_columns[0], literal("")) for one in _others(period)]
    rows = connection.execute(whole.union_all(*others)).all()
    kept = [Kept(row.trace, json.loads(row.body)) for row in rows if row.body]
    return kept, sorted({row.trace for row in rows if not row.body})


def _whole(period: Period) -> tuple[ColumnElement[bool], ...]:
    """True of families of which everything is in the period."""
    # Its end twice: as a range of the index.
    last = kept_figures.c.last_at
    return last >= period.since_us, last < period.until_us, kept_figures.c.first_at >= period.since_us


def _others(period: Period) -> Iterator[Select[tuple[str]]]:
    """Families with something in the period that changed since they were kept, or of which only a part is in it."""
    changed = select(figures_changed.c.trace).distinct().where(_is_in(period, figures_changed.c.trace))
    overlaps = (kept_figures.c.last_at >= period.since_us, kept_figures.c.first_at < period.until_us)
    part = or_(kept_figures.c.first_at < period.since_us, kept_figures.c.last_at >= period.until_us)
    yield changed
    yield select(kept_figures.c.trace).where(*overlaps, part, _HOLDS, _is_in(period, kept_figures.c.trace))


def _is_in(period: Period, trace: ColumnElement[str]) -> ColumnElement[bool]:
    reserved = and_(reservation.c.at >= period.since_us, reservation.c.at < period.until_us)
    answered = and_(turn.c.at >= period.since_us, turn.c.at < period.until_us)
    before = exists(
        select(true())
        .select_from(turn.join(reservation, reservation.c.call_key == turn.c.id))
        .where(turn.c.trace == trace, reservation.c.trace == "", reserved)
    )
    return or_(exists().where(reservation.c.trace == trace, reserved), exists().where(turn.c.trace == trace, answered), before)
