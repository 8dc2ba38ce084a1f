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
    words("relay", server_default=text("''")),
    number("handed_at", 0),
    number("due_at", 0),
    number("tries", 0),
    words("problem", server_default=text("''")),
    Column("begun", Integer, nullable=False, server_default="0"),
    words("taint", server_default=text("''")),
    Index("ix_action_state", "state", "updated_at"),
    Index("ix_action_trace", "trace", "order"),
    Index("ix_action_type", "type", "updated_at"),
)
"""`relay` says who carries it out ("": its run), since `handed_at`. The relay tries it from `due_at` on; `tries` have failed
since then, the last one with `problem`, which is told here and not in `reason`: that is sealed. `begun` counts the attempts
that began since the last one that told how it went. `taint` names the sources from outside that flowed in.
"""
