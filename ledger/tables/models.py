"""How models are: circuit breakers, what was asked of them in a minute, replies that are kept."""

from sqlalchemy import BigInteger, Column, Index, Table, text

from ledger.tables.columns import metadata, number, words

breaker = Table(
    "breaker",
    metadata,
    words("name", primary_key=True),
    words("state"),
    number("failures", 0),
    number("window_at", 0),
    number("opened_at", 0),
    number("until", 0),
    number("opened", 0),
    words("reason"),
    words("probe", server_default=text("''")),
    number("probe_until", 0),
    number("updated_at", 0),
)
"""A circuit breaker: `model:PROVIDER:NAME`, `provider:NAME` or `agent:NAME@VERSION`. No row: closed, nothing has failed."""

rate = Table(
    "rate",
    metadata,
    words("name", primary_key=True),
    Column("window_at", BigInteger, primary_key=True, autoincrement=False),
    number("requests", 0),
    number("tokens", 0),
)
"""Requests and tokens of a model in one minute."""

cached_reply = Table(
    "cached_reply",
    metadata,
    words("digest", primary_key=True),
    words("project"),
    words("agent"),
    words("provider"),
    words("model_asked"),
    words("reply"),
    words("turn"),
    number("at"),
    number("expires_at"),
    Index("ix_cached_reply_expires", "expires_at"),
)
"""A reply that may be reused for an identical call. `turn` is the one that paid for it."""
