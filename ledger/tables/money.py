"""Ceilings, what is held under them, and who changed them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, text

from ledger.tables.columns import Partial, metadata, number, words

scope = Table(
    "scope",
    metadata,
    words("id", primary_key=True),
    number("ceiling"),
    number("spent", 0),
    number("held", 0),
    words("parent", server_default=text("''")),
    Column("closed_at", BigInteger),
    # A wrong sum fails its transaction and cannot turn into money that nobody has.
    CheckConstraint("spent >= 0", name="spent"),
    CheckConstraint("held >= 0", name="held"),
    Partial("ix_scope_parent", "parent", where="parent <> ''"),
)
"""`parent` names the run's scope of which this one is a child's slice; `closed_at` is when it was given back."""

reservation = Table(
    "reservation",
    metadata,
    words("id", primary_key=True),
    words("call_key"),
    words("scopes"),
    words("state"),
    number("amount"),
    number("settled", 0),
    words("price_version"),
    words("worker"),
    number("at"),
    words("trace", server_default=text("''")),
    words("path", server_default=text("''")),
    words("project", server_default=text("''")),
    words("agent", server_default=text("''")),
    words("model", server_default=text("''")),
    words("error", server_default=text("''")),
    Column("closed_at", BigInteger),
    Index("ix_reservation_call_key", "call_key"),
    Index("ix_reservation_trace", "trace"),
    Index("ix_reservation_at", "at"),
    # Partial: few are held at a time, and dead workers' are looked for again and again.
    Partial("ix_reservation_held", "at", where="state = 'held'"),
    Partial("ix_reservation_lost", "at", where="state = 'lost'"),
)

trip = Table(
    "trip",
    metadata,
    words("trace", primary_key=True),
    words("gate", primary_key=True),
    words("scope"),
    words("project"),
    number("ceiling"),
    number("spent"),
    number("held"),
    number("wanted"),
    number("at"),
    Column("closed_at", BigInteger),
    words("how", server_default=text("''")),
    words("by", server_default=text("''")),
    Index("ix_trip_scope", "scope", "closed_at"),
)
"""A run that was parked by a ceiling: since when, and what released it."""

ceiling_change = Table(
    "ceiling_change",
    metadata,
    words("id", primary_key=True),
    words("scope"),
    number("before"),
    number("after"),
    words("by"),
    words("why"),
    words("channel"),
    number("at"),
    Index("ix_ceiling_change_scope", "scope", "at"),
)
"""Who changed a ceiling, from what to what, and why."""
