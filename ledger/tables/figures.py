"""Figures of run families, added up once nothing happens to them: what `ledger.figures` reads instead of rows."""

from sqlalchemy import BigInteger, Column, Index, Table

from ledger.tables.columns import metadata, number, words

kept_figures = Table(
    "kept_figures",
    metadata,
    words("trace", primary_key=True),
    number("first_at"),
    number("last_at"),
    words("project"),
    words("body"),
    Index("ix_kept_figures_last", "last_at"),
)
"""One run family. `first_at` and `last_at`: of its turns and reservations. `project` is its run's, "" where it has none.

`body`: its figures as JSON, see `ledger.figures.quality.bodies`. They hold while `figures_changed` does not have the family.
"""

kept_spending = Table(
    "kept_spending",
    metadata,
    words("trace", primary_key=True),
    words("day", primary_key=True),
    words("agent", primary_key=True),
    words("model", primary_key=True),
    words("project", primary_key=True),
    words("run"),
    words("pipeline"),
    number("spent"),
    number("held"),
    number("unknown"),
    number("calls"),
    number("calls_held"),
    number("calls_unknown"),
    number("useful"),
    number("retried"),
    number("repaired"),
    number("thrown_away"),
)
"""What the calls of a family that have these in common cost: sums of charges. Micro-dollars and calls."""

figures_changed = Table(
    "figures_changed",
    metadata,
    words("trace", primary_key=True),
    Column("nth", BigInteger, primary_key=True, autoincrement=False),
)
"""A family of which something has changed since its figures were kept. Written by triggers, in the transaction of the change.

`nth` lets two transactions mark one family without waiting for each other: on PostgreSQL it is the server process of one.
"""
