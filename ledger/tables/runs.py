"""Runs, and the numbers of their names."""

from sqlalchemy import BigInteger, Column, Index, Table, text

from ledger.tables.columns import Partial, metadata, number, words

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
    words("namespace", server_default=text("''")),
    words("gone", server_default=text("''")),
    number("started_at"),
    number("updated_at"),
    Column("ended_at", BigInteger),
    Column("trimmed_at", BigInteger),
    Index("ix_run_state_updated", "state", "updated_at"),
    Index("ix_run_workflow", "workflow_id"),
    Index("ix_run_started", "started_at"),
    # Partial: few runs are open or gone, and both are looked for again and again.
    Partial("ix_run_open", "updated_at", where="ended_at IS NULL"),
    Partial("ix_run_gone", "updated_at", where="gone <> ''"),
    Partial("ix_run_whole", "ended_at", where="ended_at IS NOT NULL AND trimmed_at IS NULL"),
    Index("ix_run_ended", "project", "pipeline", "ended_at"),
    # Two starts with one request key meet here: the second finds the first's row.
    Index("uq_run_request", "project", "request_key", unique=True),
)

"""`namespace` is the id of the Temporal namespace that runs it, "" while nobody has asked.

`gone` is set where Temporal ended the run without us: it names what was closed then, so that a reset opens it again.

`trimmed_at` is when its conversations and files were removed; NULL while they are there.
"""

counter = Table("counter", metadata, words("name", primary_key=True), number("value"))
