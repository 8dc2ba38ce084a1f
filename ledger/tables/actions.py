"""Effects on the outside world."""

from sqlalchemy import Column, Index, Integer, Table, text

from ledger.tables.columns import metadata, number, words

action = Table(
    "action",
    metadata,
    words("key", primary_key=True),
    words("type"),
    words("trace"),
    words("gate"),
    Column("order", Integer, nullable=False),
    words("summary"),
    words("arguments"),
    words("arguments_digest"),
    words("state"),
    words("reason"),
    words("receipt"),
    words("lease_owner"),
    number("lease_until", 0),
    number("fence", 0),
    Column("attempts", Integer, nullable=False),
    number("at"),
    number("updated_at"),
    words("target", server_default=text("''")),
    Index("ix_action_state", "state", "updated_at"),
    Index("ix_action_trace", "trace", "order"),
    Index("ix_action_type", "type", "updated_at"),
)
