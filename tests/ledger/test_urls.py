"""The ledger's URL: what is taken, what is refused and by which words, and that nothing secret is ever shown."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from contracts.errors import LedgerUnavailable, Misconfigured
from ledger import urls
from ledger.db import Ledger
from ledger.migrate import standing
from tests.postgres import Postgres

SECRET = "s3cret"

REFUSED = {
    "mysql://baton:s3cret@db/baton": "mysql is no database that can hold the ledger",
    "mongodb+srv://baton:s3cret@db/baton": "mongodb+srv is no database that can hold the ledger",
    "postgresl://baton:s3cret@db/baton": "postgresl is no database that can hold the ledger",
    "postgresql+asyncpg://baton:s3cret@db/baton": "leave +asyncpg out",
    "postgres+psycopg2://baton:s3cret@db/baton": "leave +psycopg2 out",
    "sqlite+aiosqlite:///baton.db": "leave +aiosqlite out",
    "host=db dbname=baton password=s3cret": "libpq's form of words",
    "dbname = baton user=baton password=s3cret": "libpq's form of words",
    "postgresql:/baton:s3cret@db/baton": "it is no URL",
    "baton:s3cret@db/baton": "it is no URL",
    "/var/lib/baton/ledger.db": "put sqlite:/// before it",
    '"postgresql://baton:s3cret@db/baton"': "leave them out",
    "'sqlite:////srv/baton.db'": "in quotation marks",
    "jdbc:postgresql://db/baton?password=s3cret": "leave jdbc: out",
    "": "it is empty",
    "sqlite://": "it names no file",
    "sqlite:///:memory:": "it names no file",
    "sqlite://ledger.db": "three slashes before a relative path",
    "postgresql://baton:s3cret@db:54x2/baton": "its port is a number",
    "postgresql://baton:s3cret@db:99999/baton": "99999 is no port",
    "postgresql://baton:pa@s3cret@db/baton": "write %40 for @",
    "postgresql://db/baton?sslmod=require": "no option 'sslmod'",
    "postgresql://db/baton?pool=5&password=s3cret": "no option 'pool'",
}


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_not_understood_is_refused_with_the_form_that_is(url: str, tmp_path: Path) -> None:
    """One error that says what is wrong and what to write, and nothing of the password."""
    with pytest.raises(Misconfigured) as refused:
        Ledger(url, tmp_path)
    assert REFUSED[url] in str(refused.value)
    assert "write sqlite:////FOLDER/FILE.db or postgresql://USER:PASSWORD@HOST:5432/DATABASE" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("written", ["postgres", "postgresql", "postgresql+psycopg", "POSTGRES"])
def test_what_hosters_hand_out_is_read_as_what_it_means(postgres_url: str, tmp_path: Path, written: str) -> None:
    """Each name of PostgreSQL leads to the same ledger; a line feed behind it, as files have one, does not matter."""
    ledger = Ledger(postgres_url.replace("postgresql+psycopg", written) + "\n", tmp_path)
    assert standing(ledger).state == "current"
    ledger.close()


@pytest.mark.parametrize("url", ["postgresql://baton:s3cret@db/b", "postgresql://db/b?password=s3cret&sslpassword=s3cret"])
def test_a_url_is_shown_without_its_password(url: str) -> None:
    """Wherever the password stands in it."""
    assert SECRET in url
    assert SECRET not in urls.shown(make_url(url))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """SQLite's file lies where no folder can be."""
    (tmp_path / "file").touch()
    with pytest.raises(LedgerUnavailable, match=f"the ledger's folder {tmp_path}/file/below cannot be used: Not a directory"):
        Ledger(f"sqlite:///{tmp_path}/file/below/ledger.db", tmp_path)


@pytest.mark.parametrize(
    ("asked", "mend"),
    [
        ({"name": "nowhere"}, "create it (CREATE DATABASE"),
        ({"role": "nobody"}, "correct user and password"),
        ({"role": "unwelcome"}, "free connections"),
        ({"more": "&sslmode=bogus"}, "correct what `ledger_url` says of the connection"),
    ],
)
def test_a_refused_connection_says_what_mends_it(
    postgres: Postgres, postgres_url: str, tmp_path: Path, asked: dict[str, str], mend: str
) -> None:
    """Refused before there is a session, so without an SQLSTATE: each reason has its own advice, and no other."""
    run = postgres._run
    run("DROP ROLE IF EXISTS unwelcome; CREATE ROLE unwelcome LOGIN CONNECTION LIMIT 0")
    url = postgres_url if "name" not in asked else postgres.url(asked["name"])
    ledger = Ledger(url.replace("baton@", f"{asked.get('role', 'baton')}@") + asked.get("more", ""), tmp_path)
    with pytest.raises(LedgerUnavailable) as refused:
        standing(ledger)
    assert mend in str(refused.value)
    assert "start the database" not in str(refused.value)
    ledger.close()
    run("DROP ROLE unwelcome")


SHUT = {
    "REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; CREATE ROLE {role} LOGIN": "GRANT CONNECT ON DATABASE",
    "CREATE ROLE {role} NOLOGIN": "ALTER ROLE … LOGIN",
    "CREATE ROLE {role} LOGIN; ALTER DATABASE {name} ALLOW_CONNECTIONS false": "ALLOW_CONNECTIONS true",
    "CREATE ROLE {role} LOGIN; ALTER DATABASE {name} CONNECTION LIMIT 0": "free connections",
}


@pytest.mark.parametrize("made", SHUT)
def test_a_door_that_is_shut_is_named(postgres: Postgres, tmp_path: Path, made: str) -> None:
    """A right, a switch or a limit of the role or of the database: each has its mend, and nothing says that it is away."""
    name = postgres.create()
    postgres._run(made.format(name=name, role="outside"))
    ledger = Ledger(postgres.url(name).replace("baton@", "outside@"), tmp_path)
    with pytest.raises(LedgerUnavailable) as refused:
        standing(ledger)
    ledger.close()
    assert SHUT[made] in str(refused.value)
    assert "start the database" not in str(refused.value)
    postgres._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    postgres.drop(name)
    postgres._run("DROP ROLE outside")
