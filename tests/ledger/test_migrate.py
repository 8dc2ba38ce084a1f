"""Migrations end at the tables that the code uses, whoever runs them, however often, and never go over a newer schema."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from ledger.db import Ledger
from ledger.migrate import standing, upgrade
from ledger.tables import metadata
from ledger.tables.columns import Partial
from tests import forks
from tests.children import PATIENCE
from tests.ledger.releases import to_revision
from tests.postgres import KEPT, Postgres

PROCESSES = 3


def differences(connection: Connection) -> list[str]:
    """What a migrated database has otherwise than `ledger/tables`, one line each."""
    options = {"compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    return [repr(one) for one in compare_metadata(context, metadata)]


def checks(connection: Connection) -> set[str]:
    """Names of the check constraints that the database really has (comparing metadata does not look at them)."""
    query = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'table'",
        "postgresql": "SELECT conname FROM pg_constraint WHERE contype = 'c'",
    }[connection.dialect.name]
    found = " ".join(connection.execute(text(query)).scalars())
    return {name for name in _declared_checks() if name in found}


def _declared_checks() -> set[str]:
    constraints = [one for table in metadata.tables.values() for one in table.constraints]
    return {str(one.name) for one in constraints if one.__visit_name__ == "check_constraint"}


def migrate(barrier: threading.Barrier, urls: list[str], files: Path) -> None:
    """Upgrade some databases in a process of its own, each at the same moment as the other processes."""
    try:
        for url in urls:
            barrier.wait(PATIENCE)
            ledger = Ledger(url, files)
            upgrade(ledger)
            ledger.close()
    except BaseException:
        barrier.abort()
        raise


def test_migrated_database_has_exactly_the_tables_of_the_code(ledger: Ledger) -> None:
    """A migrated database and `ledger/tables` agree in tables, columns, types, defaults, indexes and checks."""
    differs = ledger.read_now(differences)
    assert differs == [], "migrations and ledger/tables differ; write a migration:\n" + "\n".join(differs)
    assert ledger.read_now(checks) == _declared_checks()


@pytest.fixture
def own(empty_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A migrated ledger on a database that no other test uses."""
    opened = Ledger(empty_url, tmp_path)
    upgrade(opened)
    yield opened
    opened.close()


def test_partial_indexes_have_the_conditions_of_the_code(ledger: Ledger) -> None:
    """A migrated database has each under the same condition (comparing metadata does not look at it), on both databases."""
    partial = {str(one.name): one for table in metadata.tables.values() for one in table.indexes if isinstance(one, Partial)}
    if ledger.engine.dialect.name == "sqlite":
        query = text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'")
    else:
        query = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '% WHERE %'")
    there = {name: _plain(made) for name, made in ledger.read_now(lambda connection: connection.execute(query).all())}
    assert there == {name: _plain(f" WHERE {one.where}") for name, one in partial.items()}
    for one in partial.values():
        for dialect in (ledger.engine.dialect, postgresql.dialect()):  # type: ignore[no-untyped-call]
            assert str(CreateIndex(one).compile(dialect=dialect)).endswith(f" WHERE {one.where}")


def _plain(made: str) -> str:
    """The condition of an index, without what PostgreSQL writes into it."""
    return made.partition(" WHERE ")[2].replace("(", "").replace(")", "").replace("::text", "")


def test_a_difference_is_found_and_named(own: Ledger) -> None:
    """The comparison above is not blind: a dropped index and an unknown column are both named."""

    def damage(connection: Connection) -> None:
        connection.execute(text("DROP INDEX ix_turn_trace_path"))
        connection.execute(text("ALTER TABLE run ADD COLUMN surprise TEXT"))

    own.tx_now(damage)
    found = " ".join(own.read_now(differences))
    assert "ix_turn_trace_path" in found
    assert "surprise" in found


def test_a_migrated_database_has_no_rows_but_the_migrations_own(ledger: Ledger) -> None:
    """Tests that use a database again empty it and set the feed's counter back: nothing else may be there at the start."""

    def filled(connection: Connection) -> list[str]:
        return [name for name, table in metadata.tables.items() if connection.execute(table.select()).first()]

    assert set(ledger.read_now(filled)) == KEPT


def test_upgrading_twice_changes_nothing(empty_url: str, tmp_path: Path) -> None:
    """The first upgrade makes the schema, the second leaves it alone, and rows stay."""
    ledger = Ledger(empty_url, tmp_path)
    assert standing(ledger).state != "current"
    upgrade(ledger)
    ledger.tx_now(lambda connection: connection.execute(text("UPDATE feed_head SET seq = 7")))
    upgrade(ledger)
    assert standing(ledger).state == "current"
    assert ledger.read_now(lambda connection: connection.execute(text("SELECT seq FROM feed_head")).scalars().all()) == [7]
    ledger.close()


def test_processes_that_start_together_migrate_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Several processes upgrade one database at the same moment, time and again: all succeed, and it is done once."""
    crowded = forks.crowd()
    urls = _empty(kind, tmp_path, request)
    barrier = crowded.Barrier(PROCESSES)
    started = [crowded.Process(daemon=True, target=migrate, args=(barrier, urls, tmp_path)) for _ in range(PROCESSES)]
    for process in started:
        process.start()
    for process in started:
        process.join(PATIENCE)
    assert [process.exitcode for process in started] == [0] * PROCESSES
    for url in urls:
        ledger = Ledger(url, tmp_path)
        assert standing(ledger).state == "current"
        assert ledger.read_now(lambda connection: connection.execute(text("SELECT count(*) FROM feed_head")).scalar()) == 1
        ledger.close()


def _empty(kind: str, folder: Path, request: pytest.FixtureRequest) -> list[str]:
    """Some databases without any table, and as many that an older release has migrated."""
    if kind == "sqlite":
        urls = [f"sqlite:///{folder / str(number)}.db" for number in range(12)]
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        urls = [postgres.url(postgres.create()) for _ in range(2)]
    for url in urls[::2]:
        older = Ledger(url, folder)
        to_revision(older, "0001")
        older.close()
    return urls
