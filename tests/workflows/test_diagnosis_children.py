"""The services of a diagnosis are looked at at the same time, under the run's control: pause, ceiling, a slow one."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.providers.base import Provider
from contracts.conversation import ModelReply, ModelRequest
from ledger import gates
from ledger.tables import trip
from tests import scripts
from tests.children import PATIENCE
from tests.replay.save import models_of
from tests.replay.scenarios import row_is, took_the_answer
from tests.scripts import answer, unsure
from tests.stack import result_of, stack, until
from tests.workflows.ailing import diagnose, diagnosis, finds, planned, weighs
from tests.workflows.conftest import Start
from tests.workflows.test_diagnosis import PAY, SHOP, USERS, logs
from tests.workflows.test_gates import environment

__all__ = ["environment"]

WELL = tuple(finds(name, answer(diagnosis("none", "All is well."))) for name in ("shop", "pay", "users"))
HAPPY = (planned(), *WELL, weighs("All is well."))


@dataclass
class Together:
    """A provider that answers no diagnostician before all of them have asked: one after the other they would wait for ever."""

    inner: Provider
    number: int
    asked: int = 0
    all: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """That of the provider that answers."""
        return self.inner.name

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The answer, once all have asked and the test lets them go on."""
        if request.agent == "diagnostician":
            self.asked += 1
            if self.asked >= self.number:
                self.all.set()
            await self.all.wait()
            await self.go.wait()
        return await self.inner.complete(request)

    async def close(self) -> None:
        """Close the provider that answers."""
        await self.inner.close()


async def test_all_are_looked_at_at_once_and_a_pause_reaches_them(start: Start, tmp_path: Path) -> None:
    """Three models are asked before any has answered; paused then, each child takes its answer and goes no further."""
    services = logs(tmp_path / "logs", shop=SHOP, pay=PAY, users=USERS)
    async with start(*HAPPY, check=None) as running:
        providers = running.parts.providers
        providers["scripted"] = together = Together(providers["scripted"], len(services))
        run = await diagnose(running, services)
        await asyncio.wait_for(together.all.wait(), PATIENCE)
        await run.execute_update("pause", {})
        await until(lambda: row_is(running, run, "paused"), "the row says paused")
        together.go.set()
        children = [running.client.get_workflow_handle(f"{run.id}.service.{one['name']}") for one in services]
        for child in children:
            await until(lambda child=child: took_the_answer(child), "it has taken its answer")  # type: ignore[misc]
        looked_up = [
            event.activity_task_scheduled_event_attributes.activity_type.name
            for child in children
            for event in (await child.fetch_history()).events
            if event.HasField("activity_task_scheduled_event_attributes")
        ]
        assert await run.execute_update("resume", {}) == "resumed"
        report = await result_of(run)
    assert looked_up.count("check_diagnosis") == 0
    assert (report.state, [one.state for one in report.services]) == ("done", ["healthy"] * 3)


async def test_a_ceiling_asks_a_person_once(client: Client, tmp_path: Path) -> None:
    """No call is made that there is no room for; one gate, and raised, all are diagnosed."""
    services = logs(tmp_path / "logs", shop=SHOP, pay=PAY, users=USERS)
    script = scripts.save(tmp_path / "script.yaml", *HAPPY)
    async with models_of(tmp_path, script, paid=True) as models, stack(client, tmp_path / "state", **models) as running:
        run = await diagnose(running, services, ceiling_usd="0.000001")
        view = await running.gate(run, "ceiling")
        await running.decide(view, "raise_ceiling", to_usd="100")
        report = await result_of(run)
        trips = await running.ledger.read(lambda connection: connection.execute(select(trip)).all())
    assert (report.state, report.missing) == ("done", ())
    assert [one.how for one in trips] == ["raise_ceiling"]


async def test_a_slow_service_holds_nobody_up(environment: WorkflowEnvironment, tmp_path: Path) -> None:
    """One whose agent asks a person who does not answer: after its minutes it is `could_not`, and the others count."""
    question = {"id": "which", "text": "Which shop?", "options": []}
    slow = finds("shop", unsure("there are two shops", question))
    services = logs(tmp_path / "logs", shop=SHOP, pay=PAY, users=USERS)
    script = scripts.save(tmp_path / "script.yaml", planned(), slow, *WELL[1:], weighs("Two are well."))
    async with stack(environment.client, tmp_path / "state", script, model="scripted:test") as running:
        with environment.with_time_skipping_disabled():
            run = await diagnose(running, services, service_minutes=30)
            view = await running.gate(run, "clarify")
        child = environment.client.get_workflow_handle(view.workflow_id)
        await environment.fast_forward(child, timedelta(minutes=31))
        report = await result_of(run)
        left = [one.gate for one in await running.ledger.read(gates.open_gates)]
    assert view.workflow_id.endswith(".service.shop")
    assert report.state == "done"
    assert [one.state for one in report.services] == ["could_not", "healthy", "healthy"]
    assert "no diagnosis within 30 minutes" in report.services[0].cause
    assert left == []
