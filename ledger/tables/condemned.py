"""What people have condemned, and what became of the actions that had come from it."""

from sqlalchemy import BigInteger, Column, Index, Table, text

from ledger.tables.columns import Partial, metadata, number, words

condemnation = Table(
    "condemnation",
    metadata,
    words("id", primary_key=True),
    words("what"),
    words("things"),
    words("why"),
    words("by"),
    number("at"),
    words("undone_by", server_default=text("''")),
    words("undone_why", server_default=text("''")),
    Column("undone_at", BigInteger),
    # Partial: it is asked before every call of a model whether there is any.
    Partial("ix_condemnation_in_force", "at", where="undone_at IS NULL"),
)
"""`what` was condemned, in words; `things` is a digest of its ids. In force until `undone_at`."""

condemned = Table(
    "condemned",
    metadata,
    words("thing", primary_key=True),
    words("condemnation", primary_key=True),
    Index("ix_condemned_condemnation", "condemnation"),
)
"""The things of each condemnation, by their ids as edges have them."""

remedy = Table(
    "remedy",
    metadata,
    words("condemnation", primary_key=True),
    words("action", primary_key=True),
    words("how"),
    words("note"),
    words("reference"),
    words("by"),
    number("at"),
)
"""What a person said of an action that came from it. `how`: done (it was made good), declined, or goes_on (it is to happen)."""
