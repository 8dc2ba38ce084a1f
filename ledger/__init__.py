"""The database: SQLAlchemy Core, sync, plain functions `f(connection, …)` that `Ledger.tx` runs in one writer thread."""
