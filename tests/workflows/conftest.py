"""One dev server for all workflow tests; each test has a worker, a ledger and a task queue of its own."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests import scripts
from tests.activities import agentfiles
from tests.scripts import Turn, says
from tests.stack import QUICK, Stack, beside, dev_server, stack
from tests.workflows.asked import Asking
from tests.workflows.asking import AskOnce


@pytest.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    """A client of the session's dev server."""
    async with dev_server() as environment:
        yield environment.client


Start = Callable[..., AbstractAsyncContextManager[Stack]]


@pytest.fixture
def start(client: Client, tmp_path: Path) -> Start:
    """Start a worker whose model plays the given conversations. `check=None`: deliveries run the repository's own tests."""

    def started(
        *conversations: dict[str, Any], check: str | None = QUICK, **settings: Any
    ) -> AbstractAsyncContextManager[Stack]:
        script = scripts.save(tmp_path / "script.yaml", *conversations)
        return stack(client, tmp_path / "state", script, check=check, **settings)

    return started


Ask = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture
def asking(client: Client, tmp_path: Path) -> Ask:
    """Start a worker whose agent `helper` says these turns; `agent` changes its file, `routes` who answers."""

    @contextlib.asynccontextmanager
    async def started(
        *turns: Turn,
        agent: dict[str, Any] | None = None,
        routes: str = agentfiles.ROUTES,
        script: Path | None = None,
        **settings: Any,
    ) -> AsyncIterator[Asking]:
        agents = tmp_path / "agents"
        agentfiles.write(agents, **({"tools": ["run_state", "list_handoffs"]} | (agent or {})))
        (agents / "routes.toml").write_text(routes)
        script = script or scripts.save(tmp_path / "script.yaml", says("helper", *turns))
        serving = stack(client, tmp_path / "state", script, agents=agents, **settings)
        async with serving as running, beside(running, "ask", AskOnce) as queue:
            yield Asking(running, queue)

    return started
