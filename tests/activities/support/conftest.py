"""A desk whose shop is in a database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import runs
from ledger.db import Ledger
from tests import ledgers
from tests.activities.support.places import Shop
from tests.ledger import samples
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """With customers and orders."""
    if request.param == "sqlite":
        return Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db")
    server: Postgres = request.getfixturevalue("postgres")
    return Shop(tmp_path, server.url(server.create()))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A worker's own."""
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "artifacts")
    ledgers.migrate(opened)
    for trace in ("trace-1", "trace-2"):
        opened.tx_now(runs.begin, *samples.begin(trace))
    yield opened
    opened.close()
