"""Who uses this ledger: agent versions, workers, the oldest schema that may; and which ledger it is."""

from sqlalchemy import BigInteger, Column, Integer, Table, text

from ledger.tables.columns import metadata, number, words

agent_version = Table(
    "agent_version",
    metadata,
    words("name", primary_key=True),
    words("version", primary_key=True),
    words("digest", primary_key=True),
    words("definition"),
    number("at"),
)

compatibility = Table("compatibility", metadata, Column("id", Integer, primary_key=True), words("oldest"))
"""One row: the oldest schema whose release may use this ledger. Written by migrations only."""

worker = Table(
    "worker",
    metadata,
    words("id", primary_key=True),
    words("about"),
    number("started_at"),
    number("seen_at"),
    words("task_queue", server_default=text("''")),
    words("host", server_default=text("''")),
    words("settings", server_default=text("'{}'")),
    words("machine", server_default=text("'{}'")),
    Column("clock_ahead", BigInteger),
    Column("stopped_at", BigInteger),
)
"""`seen_at` is by the database's clock. `settings` are digests by name, `machine` is what was found at the start.

`clock_ahead`: microseconds by which the worker's clock is ahead of Temporal's; NULL: not measured.
`stopped_at`: when it ended as it was asked to; NULL for a worker that works, and for one that was killed.
"""

identity = Table(
    "identity",
    metadata,
    Column("id", Integer, primary_key=True),
    words("ledger"),
    number("made_at"),
    words("namespace", server_default=text("''")),
    words("server", server_default=text("''")),
)
"""One row: the ledger's id, made once, and the Temporal namespace that it belongs to (`server` says where that was)."""
