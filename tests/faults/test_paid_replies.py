"""A reply that is paid for is stored, whatever the database fails with while it is committed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text
from temporalio.client import Client

from activities.running import shield
from contracts.agents import AgentPin
from ledger.db import Ledger
from ledger.tables import reservation
from tests import scripts
from tests.activities import agentfiles
from tests.paid import PRICE
from tests.scripts import answer, says, summary
from tests.stack import beside, stack, until
from tests.wire.server import WireServer
from tests.workflows.asked import Asking
from tests.workflows.asking import AskOnce
from workflows.kit import model_call, options

ROUTES = f'[classes]\nworker = [{{ model = "openai:one", price = {PRICE} }}]\n'

FAILURES = {
    "57014": "a role's statement_timeout",
    "26000": "a pooler's: a prepared statement is not there",
    "42P05": "a pooler's: a prepared statement is there already",
    "40P01": "a deadlock, again and again",
    "53100": "the server's disk is full",
    "53300": "no connection is free",
    "25006": "it has become read-only",
    "42501": "a right was taken away",
    "XX000": "an error inside the server",
    "23505": "a mistake of our own",
}


class Failing:
    """From now on the database ends the transactions of `settle` with this SQLSTATE, so many times (None: always)."""

    def __init__(self, ledger: Ledger, code: str, times: int | None) -> None:
        self.failed, self._over = 0, False
        self._real, self._code, self._times = ledger.tx_now, code, times
        ledger.tx_now = self._tx_now  # type: ignore[method-assign]

    def end(self) -> None:
        """The database works again."""
        self._over = True

    def _tx_now(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if function.__qualname__ != "settle" or self._over or self.failed == self._times:
            return self._real(function, *args, **kwargs)
        self.failed += 1

        def fails(connection: Connection) -> None:
            # After its own work, as a commit fails: nothing of it may stay.
            function(connection, *args, **kwargs)
            connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{self._code}'; END $$"))

        return self._real(fails)


@asynccontextmanager
async def asked(client: Client, folder: Path, url: str) -> AsyncIterator[tuple[Asking, WireServer]]:
    """A worker with one agent, whose only model costs money and answers over loopback."""
    agentfiles.write(folder / "agents", tools=["run_state"])
    (folder / "agents" / "routes.toml").write_text(ROUTES)
    async with WireServer(scripts.save(folder / "script.yaml", says("helper", answer(summary())))) as server:
        known = {"agents": folder / "agents", "openai_base_url": server.openai_url, "ledger_url": url}
        async with stack(client, folder / "state", **known) as running, beside(running, "ask", AskOnce) as queue:
            yield Asking(running, queue), server


def states(connection: Connection) -> list[str]:
    """What became of the money of each call."""
    return list(connection.execute(select(reservation.c.state)).scalars())


@pytest.mark.parametrize("code", FAILURES)
async def test_a_paid_reply_outlives_a_failed_commit(client: Client, tmp_path: Path, postgres_url: str, code: str) -> None:
    """The commit fails twice: one call is made and paid once, none is charged as lost, and the step is done."""
    async with asked(client, tmp_path, postgres_url) as (asking, server):
        failing = Failing(asking.stack.ledger, code, 2)
        ended = await asking.ended(await asking.start())
        assert failing.failed == 2
        assert (ended.handoff.outcome, len(ended.turns), len(server.requests)) == ("done", 1, 1)
        assert await asking.stack.ledger.read(states) == ["settled"]


@pytest.mark.parametrize("code", ["57P01", "08006"])
async def test_an_outage_that_outlasts_the_call_pays_nothing_again(
    client: Client, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """The attempt that had the reply is over, and a later one on the same worker stores it: one call, settled at its cost."""
    real = options.model_call

    def soon(pin: AgentPin) -> dict[str, Any]:
        return real(pin) | {"start_to_close_timeout": shield.MARGIN * 1.2}

    monkeypatch.setattr(model_call, "model_call", soon)
    async with asked(client, tmp_path, postgres_url) as (asking, server):
        failing = Failing(asking.stack.ledger, code, None)
        run = await asking.start()

        async def again() -> bool | None:
            pending = (await run.describe()).raw_description.pending_activities
            return True if any(one.attempt > 1 for one in pending) else None

        await until(again, "the attempt that had the reply is over")
        failing.end()
        ended = await asking.ended(run)
        assert failing.failed > 1
        assert (ended.handoff.outcome, len(ended.turns), len(server.requests)) == ("done", 1, 1)
        assert await asking.stack.ledger.read(states) == ["settled"]


async def test_a_reply_that_is_never_stored_is_paid_once(
    client: Client, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that refuses to the end: the step fails with the reason, and nothing is asked and paid for again."""
    real = options.model_call

    def soon(pin: AgentPin) -> dict[str, Any]:
        return real(pin) | {"start_to_close_timeout": shield.MARGIN * 1.2}

    monkeypatch.setattr(model_call, "model_call", soon)
    async with asked(client, tmp_path, postgres_url) as (asking, server):
        failing = Failing(asking.stack.ledger, "XX000", None)
        ended = await asking.ended(await asking.start())
        assert ended.handoff.outcome == "could_not"
        assert "refuses to store the answer: so it is" in str(ended.handoff.reason)
        assert len(server.requests) == 1
        assert failing.failed > 1
