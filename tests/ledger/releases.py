"""Ledgers as other releases leave them: an older one's schema, a newer one's, and one that was kept when it was written."""

import gzip
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert, text

from ledger import migrate
from ledger.db import Ledger
from ledger.tables import metadata

KEPT = Path(__file__).parent / "kept"


def config(connection: Connection) -> Config:
    """Alembic's configuration, as `ledger.migrate` hands it over."""
    made = migrate._config()
    made.attributes["connection"] = connection
    return made


def to_revision(ledger: Ledger, revision: str) -> None:
    """Migrate an empty ledger as an older release would have."""
    with ledger.engine.begin() as connection:
        command.upgrade(config(connection), revision)


def newer_release(connection: Connection, oldest: str) -> None:
    """What a newer release's migration does: it adds, and says who may still use the ledger."""
    for statement in (
        "ALTER TABLE run ADD COLUMN tenant TEXT NOT NULL DEFAULT 'none'",
        "CREATE TABLE later (id INTEGER PRIMARY KEY)",
        "UPDATE alembic_version SET version_num = '9999'",
        f"UPDATE compatibility SET oldest = '{oldest}'",
    ):
        connection.execute(text(statement))


def restore(name: str, file: Path) -> None:
    """Write a kept ledger as the SQLite file that it was."""
    connection = sqlite3.connect(file)
    try:
        connection.executescript(gzip.decompress((KEPT / f"{name}.sql.gz").read_bytes()).decode())
    finally:
        connection.close()


def copied(source: Path, target: Ledger) -> None:
    """Put the rows of an SQLite ledger into one of the same schema on another database."""
    with sqlite3.connect(source) as connection:
        connection.row_factory = sqlite3.Row
        tables = [row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in tables}
    connection.close()
    with target.engine.begin() as into:
        for table in metadata.sorted_tables:
            into.execute(table.delete()) if table.name in tables else None
            if rows.get(table.name):
                into.execute(insert(table), [_typed(table.name, row) for row in rows[table.name]])


def _typed(table: str, row: dict[str, object]) -> dict[str, object]:
    """SQLite keeps truth values as numbers."""
    types = {column.name: column.type.python_type for column in metadata.tables[table].columns}
    return {name: bool(value) if types[name] is bool else value for name, value in row.items()}
