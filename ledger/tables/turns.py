"""Conversations with models: turns and tool results."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, false

from ledger.tables.columns import metadata, number, words

turn = Table(
    "turn",
    metadata,
    words("id", primary_key=True),
    words("parent"),
    words("trace"),
    words("path"),
    words("agent"),
    words("agent_digest"),
    words("task"),
    words("provider"),
    words("model_asked"),
    words("model_answered"),
    words("reply"),
    words("problem"),
    words("handoff"),
    number("tokens_in"),
    number("tokens_out"),
    number("tokens_cache_read"),
    number("tokens_cache_write"),
    number("tokens_reasoning"),
    number("usd_micros"),
    words("price_version"),
    number("latency_ms"),
    Column("flagged", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    words("trace_id"),
    words("span_id"),
    number("at"),
    Column("cached", Boolean, nullable=False, server_default=false()),
    words("chosen", server_default="first"),
    Index("ix_turn_trace_path", "trace", "path"),
    Index("ix_turn_at", "at"),
)

tool_result = Table(
    "tool_result",
    metadata,
    words("turn", primary_key=True),
    Column("position", Integer, primary_key=True),
    words("name"),
    words("arguments_digest"),
    words("body"),
    Column("failed", Boolean, nullable=False),
    words("effect"),
    words("state_before"),
    words("state_after"),
    Column("repeated", Boolean, nullable=False),
    words("artifacts"),
    number("latency_ms"),
    number("at"),
)

call_progress = Table(
    "call_progress",
    metadata,
    words("reservation", primary_key=True),
    words("worker"),
    number("characters"),
    number("tokens"),
    Column("estimated", Boolean, nullable=False),
    words("tool"),
    number("heard_at"),
)
"""How far the calls under way have got, by the reservation that each is made under: overwritten, removed once it is over.

It is no part of the record: no feed line seals it, no sum has it. `heard_at` is when the last byte of the reply came, or the
call was sent. `estimated`: the tokens, or the last of them, were guessed by the characters. `tool` is the one whose call is
being written; "" for none.
"""
