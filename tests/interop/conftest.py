"""Other people's servers for a session: each is started once, when the first test wants it."""

from collections.abc import AsyncIterator

import pytest

from tests.commands.conftest import baton
from tests.interop import servers
from tests.interop.upstream import Upstream
from tests.wire.book import Book, BookPrice
from tests.workflows.conftest import client

__all__ = ["baton", "client"]


@pytest.fixture(scope="session", autouse=True)
def made() -> None:
    """The environment is there."""
    assert servers.PYTHON.exists(), "these tests need servers of others: `make interop` installs them and runs the tests"


@pytest.fixture(scope="session")
async def upstream(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Upstream]:
    """The endpoint behind the gateway. Its book has the gateway's prices."""
    whole = {name: BookPrice(2_000_000, 10_000_000) for name in servers.MODELS}
    async with Upstream(book=Book(tmp_path_factory.mktemp("upstream") / "book", whole)) as running:
        yield running


@pytest.fixture(scope="session")
async def litellm(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a LiteLLM proxy in front of the upstream."""
    async with servers.litellm(tmp_path_factory.mktemp("litellm"), upstream.url) as url:
        yield url


@pytest.fixture(scope="session")
async def looks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of llama.cpp with the model that reads a file."""
    async with servers.llama(tmp_path_factory.mktemp("looks"), "looks") as url:
        yield url
