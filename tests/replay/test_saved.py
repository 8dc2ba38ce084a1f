"""Saved histories of every pipeline replay on the code as it is: what runs in the field goes on after an upgrade."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import worker
from workflows.guard import DATA_CONVERTER, Guard

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def replayer() -> Replayer:
    """Replays as our worker would run it."""
    return Replayer(
        workflows=worker.WORKFLOWS,
        data_converter=DATA_CONVERTER,
        interceptors=[Guard()],
        workflow_runner=worker.workflow_runner(sandboxed=True),
    )


def read(text: str) -> WorkflowHistory:
    """A saved history with the workflow id that it had: children are named after it."""
    saved = json.loads(text)
    return WorkflowHistory.from_json(saved["workflow_id"], saved["history"])


def test_there_are_histories_of_the_pipeline_and_its_child() -> None:
    """The test below has something to replay."""
    assert {path.stem.split("-")[0] for path in HISTORIES} >= {"delivery", "write_item"}


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_saved_history_replays(path: Path) -> None:
    """No command differs from what was recorded. If one must, `workflow.patched` keeps the old way for old runs."""
    history = read(path.read_text())
    result = await replayer().replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None, f"{path.name}: {result.replay_failure}"


async def test_a_changed_story_is_noticed() -> None:
    """The check can fail: a history whose first activity has another name does not replay."""
    path = next(path for path in HISTORIES if path.stem.startswith("delivery"))
    other = path.read_text().replace('"prepare_repository"', '"prepare_something_else"')
    result = await replayer().replay_workflow(read(other), raise_on_replay_failure=False)
    assert result.replay_failure is not None
