"""A workflow's commands change from one release to the next: a run goes by the named changes that it began with."""

import json
from collections import Counter
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHistory

from contracts.delivery.run import DeliveryInput, DeliveryReport
from contracts.repositories import Base
from tests import scripts
from tests.replay.scenarios import PLANNER
from tests.replay.test_saved import DELIVERIES, problem
from tests.stack import beside, sample, stack
from workflows.delivery.story import Delivery

CHANGE = "fetch-twice"


@workflow.defn(name="Delivery")
class NextDelivery(Delivery):
    """The next release's: it fetches the repository twice, in runs that begin with it."""

    changes = (*Delivery.changes, CHANGE)

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """As before."""
        return await super().run(asked)

    async def _intake(self, asked: DeliveryInput) -> Base:
        if self.kit.knows(CHANGE):
            await super()._intake(asked)
        return await super()._intake(asked)


@workflow.defn(name="Delivery")
class MistypedDelivery(NextDelivery):
    """It asks for a change that nobody has declared."""

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """As before."""
        return await super().run(asked)

    async def _intake(self, asked: DeliveryInput) -> Base:
        assert self.kit.knows("fetch-twise")
        return await super()._intake(asked)


@workflow.defn(name="Delivery")
class PatchedDelivery(Delivery):
    """The same change for open runs, too, where they have not come so far yet."""

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """As before."""
        return await super().run(asked)

    async def _intake(self, asked: DeliveryInput) -> Base:
        if workflow.patched("fetch twice"):
            await super()._intake(asked)
        return await super()._intake(asked)


@pytest.mark.parametrize("changed", [NextDelivery, PatchedDelivery])
@pytest.mark.parametrize("path", DELIVERIES, ids=lambda path: path.stem)
async def test_runs_of_before_replay_on_the_changed_workflow(path: Path, changed: type) -> None:
    """What was begun before the change keeps to the old way, by either means; without them no history replays."""
    assert await problem(path.read_text(), changed, sandboxed=False) is None


async def _play(client: Client, folder: Path, changed: type) -> str:
    """A run of the changed workflow, rejected at its plan, as a saved history."""
    script = scripts.save(folder / "script.yaml", PLANNER)
    serving = stack(client, folder / "state", script)
    async with serving as running, beside(running, "next", changed, sandboxed=False) as queue:
        asked = {"repository": str(sample(folder / "sample")), "instruction": "Fix it", "owner": "olga"}
        run = await client.start_workflow("Delivery", asked, id=queue, task_queue=queue, result_type=DeliveryReport)
        await running.decide(await running.gate(run, "plan"), "reject", note="seen enough")
        assert (await run.result()).state == "could_not"
        history = await run.fetch_history()
    return json.dumps({"workflow_id": queue, "history": json.loads(history.to_json())})


def _events(text: str) -> Counter[str]:
    """How often each activity was scheduled, and how many events there are."""
    history = WorkflowHistory.from_json("", json.loads(text)["history"])
    sent = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    markers = [event.marker_recorded_event_attributes.marker_name for event in history.events]
    return Counter(name for name in (*sent, *markers) if name)


async def test_a_run_that_begins_with_the_change_has_it(client: Client, tmp_path: Path) -> None:
    """It fetches twice, at no event for saying so, and replays. A worker of before leaves it alone and says what to do."""
    history = await _play(client, tmp_path, NextDelivery)
    assert (_events(history)["prepare_repository"], _events(history)["core_patch"]) == (2, 0)
    assert await problem(history, NextDelivery, sandboxed=False) is None
    refused = str(await problem(history, Delivery, sandboxed=False))
    assert f"this run started with changes that this worker does not know: {CHANGE}. Upgrade this worker" in refused


async def test_a_change_on_no_list_is_named(client: Client, tmp_path: Path) -> None:
    """A typing error in a change's name would silently keep the old way for ever: the task fails and says so."""
    history = await _play(client, tmp_path, NextDelivery)
    assert "no change is called 'fetch-twise'" in str(await problem(history, MistypedDelivery, sandboxed=False))
