"""A ledger, a standing clock, and receivers on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.db import Ledger
from tests.activities.actions.servers import Mail, Web, mail, web
from tests.activities.notices.world import Clock
from tests.depth import soak


@pytest.fixture(params=["sqlite_url", *soak("postgres_url")])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on SQLite, in the soak on each database. Where transactions are the promise tests ask for `BOTH`."""
    opened = Ledger(str(request.getfixturevalue(request.param)), tmp_path / "artifacts")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    """Noon on a day in January."""
    return Clock()


@pytest.fixture
def site() -> Iterator[Web]:
    """A receiver of webhooks."""
    with web() as found:
        yield found


@pytest.fixture
def post() -> Iterator[Mail]:
    """A mail server."""
    with mail() as found:
        yield found
