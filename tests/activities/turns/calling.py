"""Single model calls in a test: a priced model on a loopback server, a real ledger, and an agent whose file the test says."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select
from temporalio.testing import ActivityEnvironment

import worker_parts
from activities.agents.agent import Agent
from activities.agents.catalogue import load_catalogue
from activities.gates.policy import load_policy
from activities.providers.base import Provider
from activities.runs.admission import Admission
from activities.tools.registry import TOOLS
from activities.turns.models import Models
from config import Settings
from contracts.agents import Choice
from contracts.base import Contract, sha256
from contracts.ids import turn_key
from contracts.money import Ceilings
from contracts.runs import RunRef
from contracts.turns import CallModel, Turn
from ledger.db import Ledger
from ledger.tables import scope, turn
from tests.activities import agentfiles
from tests.wire.server import WireServer

PRICED = '[classes]\nworker = [{ model = "openai:test", price = { input = 1_000_000, output = 2_000_000 } }]\n'

CEILINGS = Ceilings(run_usd=20, agent_day_usd=100, month_usd=1000)


def one_call(ledger: Ledger, folder: Path, provider: Provider) -> tuple[Models, CallModel]:
    """The activity with a priced model of this provider, and one request of the run trace-1."""
    agentfiles.write(folder / "agents")
    (folder / "agents" / "routes.toml").write_text(PRICED)
    catalogue, policy = load_catalogue(folder / "agents", TOOLS), load_policy(Path("policy.toml"))
    agent, task = catalogue.newest("helper"), agentfiles.TASK.stored()
    pin = agent.pin(catalogue.routes.classes["worker"])
    run = RunRef(trace="trace-1", workflow_id="ask-1", path="ask")
    key = turn_key(run.trace, run.path, "", agent.digest, sha256(task))
    request = CallModel(
        run=run, key=key, agent=pin.ref, choices=pin.choices, task_digest=sha256(task), task=task.decode(), occurrence=1
    )
    admission = Admission(ledger, catalogue, policy, CEILINGS, lambda _: pin.choices)
    return Models(ledger, catalogue, {"openai": provider}, CEILINGS, admission, "worker-1"), request


@dataclass(frozen=True)
class Calling:
    """The activity, and what it is asked with."""

    call_model: Callable[..., Any]
    ledger: Ledger
    server: WireServer
    agent: Agent
    choices: tuple[Choice, ...]

    def request(self, trace: str, task: Contract = agentfiles.TASK, head: str = "", **more: Any) -> CallModel:
        """One call of a run's step. `project` and `path` say where."""
        where = {name: more.pop(name) for name in ("project", "path") if name in more}
        run = RunRef(**({"trace": trace, "workflow_id": f"run-{trace}", "path": "ask"} | where))
        body = task.stored()
        key = turn_key(run.trace, run.path, head, self.agent.digest, sha256(body))
        pin = self.agent.pin(self.choices)
        values = {"key": key, "agent": pin.ref, "choices": pin.choices, "task_digest": sha256(body), "head": head}
        return CallModel(run=run, **(values | {"task": body.decode()} | more))

    async def call(self, request: CallModel) -> Turn:
        """One attempt."""
        return await ActivityEnvironment().run(self.call_model, request)

    @property
    def turns(self) -> list[Row[Any]]:
        """All stored turns, oldest first."""
        return self.ledger.read_now(_turns)

    @property
    def money(self) -> dict[str, tuple[int, int]]:
        """What every scope has spent and holds."""
        return self.ledger.read_now(_money)


@contextlib.asynccontextmanager
async def calling(
    url: str,
    folder: Path,
    server: WireServer,
    routes: str = PRICED,
    table: dict[str, Any] | None = None,
    own: dict[str, Any] | None = None,
    **agent: Any,
) -> AsyncIterator[Calling]:
    """The activity as a worker has it, over this ledger; `agent` changes the agent's file, `table` is its endpoint's.

    `own` is the table of another endpoint, which routes call `own`.
    """
    agentfiles.write(folder / "agents", **agent)
    (folder / "agents" / "routes.toml").write_text(routes)
    values: dict[str, Any] = {
        "ledger_url": url,
        "state": folder,
        "agents": folder / "agents",
        "openai_base_url": server.openai_url,
    }
    tables = {name: one for name, one in (("openai", table), ("own", own)) if one}
    settings = Settings(**(values | ({"providers": tables} if tables else {})))
    ledger = Ledger(settings.database, settings.artifacts)
    parts = worker_parts.build(settings, ledger)
    call_model = next(one for one in parts.activities if one.__name__ == "call_model")
    helper = parts.catalogue.newest("helper")
    try:
        yield Calling(call_model, ledger, server, helper, parts.catalogue.routes.classes["worker"])
    finally:
        for provider in parts.providers.values():
            await provider.close()
        ledger.close()


def _turns(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(turn).order_by(turn.c.at)))


def _money(connection: Connection) -> dict[str, tuple[int, int]]:
    return {row.id: (row.spent, row.held) for row in connection.execute(select(scope))}
