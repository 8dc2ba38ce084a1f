"""Runs, and the numbers of their names."""

from sqlalchemy import BigInteger, Column, Index, Table

from ledger.tables.columns import metadata, number, words

run = Table(
    "run",
    metadata,
    words("trace", primary_key=True),
    words("workflow_id"),
    words("pipeline"),
    words("project"),
    words("owner"),
    words("request_key"),
    words("state"),
    words("stage"),
    words("waiting_for"),
    words("next"),
    words("input"),
    words("pins"),
    words("policy_digest"),
    words("result"),
    words("feed_hash"),
    words("run_ids", server_default="[]"),
    number("change_number", default=0),
    number("started_at"),
    number("updated_at"),
    Column("ended_at", BigInteger),
    Index("ix_run_state_updated", "state", "updated_at"),
    Index("ix_run_workflow", "workflow_id"),
    Index("ix_run_ended", "project", "pipeline", "ended_at"),
    # Two starts with one request key meet here: the second finds the first's row.
    Index("uq_run_request", "project", "request_key", unique=True),
)

counter = Table("counter", metadata, words("name", primary_key=True), number("value"))
