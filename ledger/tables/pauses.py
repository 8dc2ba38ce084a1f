"""Pauses of agents, pipelines, projects and everything."""

from sqlalchemy import BigInteger, Column, Table, text

from ledger.tables.columns import Partial, metadata, number, words

pause = Table(
    "pause",
    metadata,
    words("id", primary_key=True),
    words("kind"),
    words("name"),
    words("by"),
    words("why"),
    number("at"),
    words("lifted_by", server_default=text("''")),
    words("lifted_why", server_default=text("''")),
    Column("lifted_at", BigInteger),
    # Two that pause the same thing meet here; and what is in force is read before every step.
    Partial("uq_pause_in_force", "kind", "name", unique=True, where="lifted_at IS NULL"),
)
"""`kind` is agent, pipeline, project or all; `name` is "" for all. `lifted_at` is NULL while the pause is in force."""
