"""Two providers on loopback, one for each SDK, a worker with a route over both, and one agent's step."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Connection, select
from temporalio.client import Client

from activities.turns import health
from ledger.db import now_us, server_us
from ledger.tables import feed, reservation
from tests import scripts
from tests.activities import agentfiles
from tests.scripts import Turn, answer, says, summary
from tests.stack import beside, dev_server, stack
from tests.wire.server import WireServer
from tests.workflows.asked import Asking
from tests.workflows.asking import AskOnce

ONE, TWO = "openai:one", "anthropic:two"
BOTH = f'[classes]\nworker = [{{ model = "{ONE}", free = true }}, {{ model = "{TWO}", free = true }}]\n'
ALONE = f'[classes]\nworker = [{{ model = "{ONE}", free = true }}]\n'
QUICK = {"failures": 2, "cooldown": timedelta(seconds=1), "longest": timedelta(seconds=2), "patience": timedelta(hours=1)}
"""Breakers that open and close while a test runs."""
SLOW = {"cooldown": timedelta(minutes=30), "longest": timedelta(minutes=30)}
"""Breakers that close when the test says that it is later, however long it takes to come so far."""

DONE = answer(summary())


@pytest.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    """A client of the session's dev server."""
    async with dev_server() as environment:
        yield environment.client


@dataclass(frozen=True)
class Drill:
    """A running worker with its two providers."""

    asking: Asking
    one: WireServer
    two: WireServer
    later: Callable[[timedelta], None]
    """Moves the clock that breakers go by."""

    async def attempts(self, model: str = ONE) -> list[str]:
        """How each attempt at a model ended, as the ledger has it: the kind of its error, "" for none."""
        return await self.asking.stack.ledger.read(_errors, model)

    async def alerts(self) -> list[str]:
        """What the feed says to whoever should look."""
        return await self.asking.stack.ledger.read(_lines, feed.c.importance == "alert")

    async def said(self, like: str) -> list[str]:
        """The feed's lines like this."""
        return await self.asking.stack.ledger.read(_lines, feed.c.did.like(like))


def _errors(connection: Connection, model: str) -> list[str]:
    query = select(reservation.c.error).where(reservation.c.model == model).order_by(reservation.c.at)
    return list(connection.execute(query).scalars())


def _lines(connection: Connection, which: ColumnElement[bool]) -> list[str]:
    return list(connection.execute(select(feed.c.did).where(which).order_by(feed.c.seq)).scalars())


Drilled = Callable[..., AbstractAsyncContextManager[Drill]]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """The breakers' clock, which a test moves on."""
    ahead = timedelta()

    def moved(by: timedelta) -> None:
        nonlocal ahead
        ahead += by

    # The worker's and the database's move together, as they do where both are right.
    monkeypatch.setattr(health, "now_us", lambda: now_us() + ahead // timedelta(microseconds=1))
    monkeypatch.setattr(health, "server_us", lambda connection: server_us(connection) + ahead // timedelta(microseconds=1))
    return moved


@pytest.fixture
def drill(client: Client, tmp_path: Path, later: Callable[[timedelta], None]) -> Drilled:
    """Start the two providers and a worker; every provider answers every call of `helper` with these turns."""

    @contextlib.asynccontextmanager
    async def started(
        *turns: Turn,
        routes: str = BOTH,
        agent: dict[str, Any] | None = None,
        also: dict[str, Any] | None = None,
        breakers: dict[str, Any] | None = None,
        conversations: Sequence[dict[str, Any]] = (),
        at: Client = client,
        **more: Any,
    ) -> AsyncIterator[Drill]:
        agents = tmp_path / "agents"
        agentfiles.write(agents, **({"tools": ["run_state"]} | (agent or {})))
        if also is not None:
            agentfiles.write(agents, **({"tools": ["run_state"]} | also))
        (agents / "routes.toml").write_text(routes)
        script = scripts.save(tmp_path / "script.yaml", says("helper", *(turns or (DONE,))), *conversations)
        async with WireServer(script) as one, WireServer(script) as two:
            reached = {
                "openai_base_url": one.openai_url,
                "anthropic_base_url": two.url,
                "anthropic_api_key": "sk-loopback",
                "breakers": QUICK | (breakers or {}),
            }
            serving = stack(at, tmp_path / "state", agents=agents, **(reached | more))
            async with serving as running, beside(running, "ask", AskOnce) as queue:
                yield Drill(Asking(running, queue), one, two, later)

    return started
