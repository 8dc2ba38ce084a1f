"""The feed, and the number of its last line."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, text

from ledger.tables.columns import metadata, number, words

# One row. Who writes feed lines locks it until the commit: `seq` has no gaps and follows the order of commits.
feed_head = Table("feed_head", metadata, Column("id", Integer, primary_key=True), number("seq", 0))

feed = Table(
    "feed",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    words("key"),
    words("trace"),
    words("run"),
    words("path"),
    words("project"),
    words("stage"),
    words("actor"),
    words("channel"),
    Column("authenticated", Boolean, nullable=False),
    words("did"),
    words("why"),
    words("next"),
    words("importance"),
    words("inputs"),
    words("outputs"),
    number("tokens", 0),
    number("usd_micros", 0),
    words("trace_id"),
    words("span_id"),
    number("at"),
    words("previous_hash"),
    words("hash"),
    words("known", server_default=text("''")),
    Index("uq_feed_key", "key", unique=True),
    Index("ix_feed_trace_seq", "trace", "seq"),
    Index("ix_feed_importance_seq", "importance", "seq"),
)
