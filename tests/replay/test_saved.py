"""Saved histories of every pipeline replay on the code as it is: what runs in the field goes on after an upgrade."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import worker
from contracts.delivery.run import DeliveryInput, DeliveryReport
from converter import DATA_CONVERTER
from workflow_runner import workflow_runner
from workflows.delivery.story import Delivery
from workflows.guard import Guard, UnknownWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def replayer(*workflows: type, sandboxed: bool = True) -> Replayer:
    """Replays as our worker would run it."""
    return Replayer(
        workflows=workflows or worker.WORKFLOWS,
        data_converter=DATA_CONVERTER,
        interceptors=[Guard()],
        workflow_runner=workflow_runner(sandboxed=sandboxed),
    )


def read(text: str) -> WorkflowHistory:
    """A saved history with the workflow id that it had: children are named after it."""
    saved = json.loads(text)
    return WorkflowHistory.from_json(saved["workflow_id"], saved["history"])


async def problem(text: str, *workflows: type, sandboxed: bool = True) -> Exception | None:
    """Why a history does not replay, or None."""
    result = await replayer(*workflows, sandboxed=sandboxed).replay_workflow(read(text), raise_on_replay_failure=False)
    return result.replay_failure


def workflow_type(path: Path) -> str:
    """Which workflow a history is of."""
    started = json.loads(path.read_text())["history"]["events"][0]["workflowExecutionStartedEventAttributes"]
    return str(started["workflowType"]["name"])


def test_every_workflow_that_the_worker_registers_has_a_saved_history() -> None:
    """A new pipeline comes with a history of its own; nobody can change its steps afterwards without noticing."""
    names = {one.__temporal_workflow_definition.name for one in worker.WORKFLOWS if one is not UnknownWorkflow}  # type: ignore[attr-defined]
    missing = names - {workflow_type(path) for path in HISTORIES}
    assert not missing, f"play a run and save its history (tests/replay/save.py): {', '.join(sorted(missing))}"


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_saved_history_replays(path: Path) -> None:
    """No command differs from what was recorded. If one must, a named change keeps the old way for old runs."""
    assert await problem(path.read_text()) is None


@workflow.defn(name="Delivery")
class OneActivityMore(Delivery):
    """Delivery as somebody might change it: the repository is fetched twice."""

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """As before."""
        return await super().run(asked)

    async def _intake(self, asked: DeliveryInput) -> Any:
        await super()._intake(asked)
        return await super()._intake(asked)


DELIVERIES = [path for path in HISTORIES if workflow_type(path) == "Delivery"]


@pytest.mark.parametrize("path", DELIVERIES, ids=lambda path: path.stem)
async def test_one_activity_more_is_noticed(path: Path) -> None:
    """The check can fail: with one activity more in the workflow, no history of it replays."""
    failure = await problem(path.read_text(), OneActivityMore, sandboxed=False)
    assert failure is not None
    assert "TMPRL1100" in str(failure), failure


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_saved_history_says_nothing_of_its_machine(path: Path) -> None:
    """No process, host, home or folder of the machine that made it stands in a history, also not inside payloads."""
    text = path.read_text()
    for data in re.findall(r'"data":"([A-Za-z0-9+/=]+)"', text):
        text += base64.b64decode(data).decode(errors="replace")
    found = re.findall(r"\d+@[\w.-]+|/home/[\w.-]+|/root[\w./-]*|/tmp/(?!baton-saved/)[\w./-]+|/opt/[\w./-]+", text)
    assert not found, sorted(set(found))[:5]
    assert len(path.read_bytes()) < 160_000
