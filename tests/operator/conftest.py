"""The installation in which things go wrong."""

from collections.abc import AsyncIterator

import pytest

from tests import depth
from tests.operator.house import House, house
from tests.ports import reserved


@pytest.fixture(scope="module" if depth.SOAK else "session")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One for all anomalies. `make soak` has each of them twice, by commands and in a browser, and has one for each way."""
    async with house(tmp_path_factory.mktemp("operator"), {"port": reserved(), "ui_port": reserved()}) as running:
        yield running
