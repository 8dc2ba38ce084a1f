"""A ledger with a run that waits at a gate, served by the console."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ledger.db import Ledger
from tests.console.serving import Served, served


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()


@pytest.fixture
async def console(ledger: Ledger) -> AsyncIterator[Served]:
    """The console over it."""
    async with served(ledger) as running:
        yield running
