"""One browser for all tests of this room, and what the rooms of the console and of the workflows have."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.browser import chromium
from tests.console.conftest import console, ledger
from tests.workflows.conftest import client, start

__all__ = ["browser", "client", "console", "ledger", "start"]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium; each test opens contexts of its own."""
    async with chromium.running() as started:
        yield started
