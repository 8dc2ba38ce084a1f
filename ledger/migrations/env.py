"""Alembic's entry point: runs migrations on the connection that `ledger.migrate` passes in."""

from alembic import context

from ledger.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()
