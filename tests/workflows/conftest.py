"""One dev server for all workflow tests; each test has a worker, a ledger and a task queue of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests import scripts
from tests.stack import Stack, dev_server, stack


@pytest.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    """A client of the session's dev server."""
    async with dev_server() as environment:
        yield environment.client


Start = Callable[..., AbstractAsyncContextManager[Stack]]


@pytest.fixture
def start(client: Client, tmp_path: Path) -> Start:
    """Start a worker whose model plays the given conversations."""

    def started(*conversations: dict[str, Any], **settings: Any) -> AbstractAsyncContextManager[Stack]:
        script = scripts.save(tmp_path / "script.yaml", *conversations)
        return stack(client, tmp_path / "state", script, **settings)

    return started
