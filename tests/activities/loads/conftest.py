"""A place to load at: a folder, a ledger, and a database of each kind."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.activities.loads.places import TABLE, Place
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """With an empty table of orders."""
    if request.param == "sqlite":
        sqlite3.connect(tmp_path / "books.db").close()
        yield from _with_table(Place(tmp_path, f"sqlite:///{tmp_path}/books.db"))
        return
    server: Postgres = request.getfixturevalue("postgres")
    yield from _with_table(Place(tmp_path, server.url(server.create())))


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Place]:
    """The same in SQLite alone, for what is about the file."""
    sqlite3.connect(tmp_path / "books.db").close()
    yield from _with_table(Place(tmp_path, f"sqlite:///{tmp_path}/books.db"))


@pytest.fixture
def postgresql(postgres: Postgres, tmp_path: Path) -> Iterator[Place]:
    """The same in PostgreSQL alone, for what is about its types and rights."""
    yield from _with_table(Place(tmp_path, postgres.url(postgres.create())))


def _with_table(place: Place) -> Iterator[Place]:
    place.rows(f"create table orders ({TABLE})")
    yield place
    place.ledger.close()
