"""A loopback server for each test, and the real SDK clients against it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import config
import model_choice
from activities.providers.anthropic import Anthropic
from activities.providers.base import Provider
from activities.providers.openai import OpenAI
from activities.providers.openai_responses import OpenAIResponses
from tests.wire.samples import KEY, MADE, OWN_KEY, connect
from tests.wire.server import WireServer


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with WireServer() as running:
        yield running


@pytest.fixture
async def anthropic(server: WireServer) -> AsyncIterator[Anthropic]:
    provider = Anthropic(KEY, server.url)
    yield provider
    await provider.close()


@pytest.fixture
async def openai(server: WireServer) -> AsyncIterator[OpenAI]:
    provider = OpenAI(KEY, server.openai_url)
    yield provider
    await provider.close()


@pytest.fixture
async def responses(server: WireServer) -> AsyncIterator[OpenAIResponses]:
    provider = OpenAIResponses(KEY, server.openai_url)
    yield provider
    await provider.close()


@pytest.fixture(params=MADE)
async def provider(request: pytest.FixtureRequest, server: WireServer) -> AsyncIterator[Provider]:
    """Each provider in turn."""
    made = connect(server, request.param)
    yield made
    await made.close()


@pytest.fixture
async def own(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Provider]]:
    """Makes the provider `own` of a table, read as a worker reads it; `OWN_KEY` holds a key."""
    monkeypatch.setenv("OWN_KEY", OWN_KEY)
    made: list[Provider] = []

    def of(speaks: str = "chat", **table: Any) -> Provider:
        base = server.url if speaks == "messages" else server.openai_url
        settings = config.load(providers={"own": {"speaks": speaks, "base_url": base} | table})
        made.append(model_choice.build_providers(settings)["own"])
        return made[-1]

    yield of
    for provider in made:
        await provider.close()
