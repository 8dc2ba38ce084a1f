"""What a new connection to PostgreSQL is told, and how that holds where a pooler stands in between.

A pooler such as PgBouncer may give each transaction another of its connections. So nothing may depend on the one before: no
prepared statements, and what would be set for the session is set in each transaction.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from contracts.errors import Misconfigured
from ledger.statement import tell_driver

POOLED = "pooled"
"""Under this name a connection's `info` says whether a pooler hands it on."""

ENCODING = "UTF8"


def begin_session(connection: Any, info: dict[Any, Any], settings: Mapping[str, str]) -> None:
    """Make a driver's new connection ours; `info` is the pool's note on it. Raises `Misconfigured` for its encoding."""
    _check_encoding(connection)
    # In autocommit, because a rollback undoes a SET that was made in its transaction.
    connection.autocommit = True
    info[POOLED] = _is_pooled(connection)
    if info[POOLED]:
        connection.prepare_threshold = None
    else:
        # As statements and not as start-up options, which poolers refuse.
        for name, value in settings.items():
            connection.execute(f"SET {name} = '{value}'")
    connection.autocommit = False


def begin_transaction(connection: Connection, settings: Mapping[str, str]) -> None:
    """Give the transaction that begins its settings, where its connection cannot keep them."""
    if connection.info.get(POOLED):
        each = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        tell_driver(connection, f"SELECT {each}")


def _is_pooled(connection: Any) -> bool:
    """True where the process that answers is not the one that the connection was opened to."""
    # A pooler tells its clients a number of its own, by which they could ask it to cancel a statement.
    return bool(connection.execute("SELECT pg_backend_pid()").fetchone()[0] != connection.info.backend_pid)


def _check_encoding(connection: Any) -> None:
    """Refuse a database that cannot hold every text: it would fail later, in the middle of a run."""
    # The server says it unasked: a query's answer could not be read in some of these encodings.
    found = connection.info.parameter_status("server_encoding")
    if found in (None, ENCODING):
        return
    name = connection.info.dbname
    connection.close()
    raise Misconfigured(
        f"the database {name} has the encoding {found}, which cannot hold every text. Make one that can (CREATE DATABASE … "
        f"ENCODING '{ENCODING}' TEMPLATE template0), name it in `ledger_url`, and move a ledger that is in the old one with "
        "pg_dump and psql"
    )
