"""Databases of PostgreSQL that cannot be a ledger yet: refused before anything is written, with what to do."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from contracts.errors import LedgerUnavailable, Misconfigured
from ledger.db import Ledger
from ledger.migrate import standing, upgrade
from tests import pgbouncer
from tests.ledger.releases import to_revision
from tests.postgres import Postgres

ODD = 'we"ird-role'
"""A name that has to be quoted, in the statement that is printed, too."""


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP", "KOI8R"])
@pytest.mark.parametrize("pooled", [False, True])
def test_an_encoding_that_lacks_characters_is_refused(postgres: Postgres, tmp_path: Path, encoding: str, pooled: bool) -> None:
    """Looked at or migrated, also through a pooler: the encoding is named, with how one that can hold every text is made."""
    name = f"in_{encoding.lower()}"
    postgres._run(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pgbouncer.before(postgres) if pooled else contextlib.nullcontext(postgres) as server:
        ledger = Ledger(server.url(name), tmp_path)
        for look in (standing, upgrade):
            with pytest.raises(Misconfigured, match=f"{name} has the encoding {encoding}.*ENCODING 'UTF8' TEMPLATE template0"):
                look(ledger)
        ledger.close()
    postgres.drop(name)


def test_an_encoding_that_no_text_of_ours_is_turned_into_is_named(postgres: Postgres, tmp_path: Path) -> None:
    """The server refuses the connection by itself: with the same advice, and not as a server that is away."""
    name = "in_mule"
    postgres._run(f"CREATE DATABASE {name} ENCODING 'MULE_INTERNAL' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    ledger = Ledger(postgres.url(name), tmp_path)
    with pytest.raises((LedgerUnavailable, Misconfigured), match="ENCODING 'UTF8' TEMPLATE template0") as refused:
        standing(ledger)
    assert "start the database" not in str(refused.value)
    ledger.close()
    postgres.drop(name)


def test_the_environment_does_not_choose_the_encoding(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of libpq's that names another encoding for this client changes nothing."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    ledger = Ledger(postgres_url, tmp_path)
    assert ledger.read_now(lambda connection: connection.execute(text("SELECT '€ — ☃'")).scalar()) == "€ — ☃"
    ledger.close()


@pytest.fixture(params=["plain", ODD])
def role(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A role that owns nothing, as it is and as SQL has it."""
    name = str(request.param)
    quoted = name if name.isalnum() else '"' + name.replace('"', '""') + '"'
    postgres._run(f"CREATE ROLE {quoted} LOGIN")
    yield name, quoted
    postgres._run(f"DROP ROLE {quoted}")


def as_role(postgres: Postgres, database: str, role: str) -> str:
    """The database's URL for this role."""
    return postgres.url(database).replace("baton@", role.replace('"', "%22") + "@")


@pytest.mark.parametrize("mended", ["grant", "own"])
def test_a_role_that_may_make_no_table_is_told_how_it_may(
    postgres: Postgres, tmp_path: Path, role: tuple[str, str], mended: str
) -> None:
    """The default of PostgreSQL 15 for all but the owner. Each of the two printed statements mends it, typed as it stands."""
    name, quoted = role
    database = postgres.create()
    ledger = Ledger(as_role(postgres, database, name), tmp_path)
    assert "may not make tables in the schema public" in standing(ledger).problem
    with pytest.raises(Misconfigured) as refused:
        upgrade(ledger)
    statements = {"grant": f"GRANT CREATE, USAGE ON SCHEMA public TO {quoted}", "own": f"CREATE SCHEMA AUTHORIZATION {quoted}"}
    assert statements[mended] in str(refused.value)
    postgres._run(statements[mended], database)
    upgrade(ledger)
    assert (standing(ledger).state, standing(ledger).problem) == ("current", "")
    ledger.close()
    postgres.drop(database)


def test_tables_of_another_role_are_told_apart_from_a_damaged_ledger(postgres: Postgres, tmp_path: Path) -> None:
    """An older ledger that this role may read and not change: by whom to migrate it, and nothing of a restore."""
    database = postgres.create()
    owner = Ledger(postgres.url(database), tmp_path)
    to_revision(owner, "0001")
    postgres._run("CREATE ROLE other LOGIN")
    postgres._run("GRANT ALL ON SCHEMA public TO other; GRANT SELECT ON ALL TABLES IN SCHEMA public TO other", database)
    ledger = Ledger(as_role(postgres, database, "other"), tmp_path)
    with pytest.raises(Misconfigured, match="as the role that owns its tables") as refused:
        upgrade(ledger)
    assert "Restore" not in str(refused.value)
    upgrade(owner)
    ledger.close()
    owner.close()
    postgres.drop(database)
    postgres._run("DROP ROLE other")
