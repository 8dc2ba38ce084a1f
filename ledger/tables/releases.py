"""Who uses this ledger: agent versions, workers, and the oldest schema that may."""

from sqlalchemy import Column, Integer, Table

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
)
