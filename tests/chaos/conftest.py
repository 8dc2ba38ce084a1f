"""One world for all tests of this folder: servers, and the process that forks workers."""

from collections.abc import AsyncIterator

import pytest

from tests.chaos.world import World, world


@pytest.fixture(scope="package")
async def outside(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Temporal's server on a file, the model provider and the git server, each a process of its own."""
    async with world(tmp_path_factory.mktemp("chaos")) as running:
        yield running
