"""One dev server for all workflow tests; each test has a worker, a ledger and a task queue of its own."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

import worker
from activities.running.tracing import Tracing
from tests import scripts
from tests.activities import agentfiles
from tests.scripts import Turn, says
from tests.stack import Stack, dev_server, stack
from tests.workflows.asked import Asking
from tests.workflows.asking import AskOnce
from workflows.guard import Guard


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
        agentfiles.write(agents, **({"tools": ["run_state", "list_handoffs", "write_file"]} | (agent or {})))
        (agents / "routes.toml").write_text(routes)
        script = script or scripts.save(tmp_path / "script.yaml", says("helper", *turns))
        async with stack(client, tmp_path / "state", script, agents=agents, **settings) as running:
            queue = f"{running.settings.task_queue}-ask"
            async with Worker(
                client,
                task_queue=queue,
                workflows=[AskOnce],
                activities=running.parts.activities,
                interceptors=[Guard(), Tracing()],
                workflow_runner=worker.workflow_runner(sandboxed=True),
                max_heartbeat_throttle_interval=timedelta(seconds=1),
                default_heartbeat_throttle_interval=timedelta(seconds=1),
            ):
                yield Asking(running, queue)

    return started
