"""What a step works on, through the whole stack: declared by name, looked for before a model is paid, read by tools."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from contracts.step_resources import FolderSetting, LogsSetting
from tests.scripts import answer, call, calls, summary
from tests.workflows.asking import DECLARED
from tests.workflows.conftest import Ask

DONE = answer(summary("found it"))
READER: dict[str, Any] = {"tools": ["search_logs", "read_folder"], "resources": {"logs": "read", "folder": "read"}}


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with a log file."""
    top = tmp_path / "shelf"
    top.mkdir()
    (top / "api.log").write_text("ERROR no connection to db:5432\n")
    return top


async def test_an_agent_reads_what_its_step_was_given(asking: Ask, shelf: Path) -> None:
    """The lines it found are in its record, tainted as everything from outside, and the feed names the tool."""
    look = calls(call("search_logs", pattern="ERROR"))
    declared = {"logs": {"api": LogsSetting(path=shelf)}, "folders": {"handbook": FolderSetting(path=shelf)}}
    async with asking(look, DONE, agent=READER, **declared) as made:
        run = await made.start(repository=f"{DECLARED}logs:api,folder:handbook")
        ended = await made.ended(run)
        assert "search_logs ran" in await made.stack.said(run)
    assert ended.handoff.outcome == "done"
    assert any("search" in source for source in ended.handoff.taint)


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("logs:api,folder:wiki", "no folder is called 'wiki' here; there are handbook. Declare it"),
        ("logs:web,folder:handbook", "no service's logs is called 'web' here; there are api"),
        ("logs:api,folder:handbook:write", "may only be read; set write = true"),
    ],
)
async def test_a_resource_that_is_not_there_is_a_refused_input(asking: Ask, shelf: Path, on: str, said: str) -> None:
    """The run ends with what to declare or to correct, and no model has been asked."""
    declared = {"logs": {"api": LogsSetting(path=shelf)}, "folders": {"handbook": FolderSetting(path=shelf)}}
    async with asking(DONE, agent=READER, **declared) as made:
        run = await made.start(repository=f"{DECLARED}{on}")
        cause = await _failed(run)
        history = await run.fetch_history()
    assert (cause.type, said in cause.message) == ("InputRefused", True), cause.message
    assert "call_model" not in str(history.events)


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("logs:api", "helper@v1 (scripted) needs `folder: read`, but its step was given logs: read"),
        ("database:crm", "needs `logs: read`, but its step was given database: read"),
    ],
)
async def test_a_story_that_forgets_one_is_told(asking: Ask, shelf: Path, on: str, said: str) -> None:
    """Before anything else happens: the error names agent, kind and what the step had."""
    async with asking(DONE, agent=READER, logs={"api": LogsSetting(path=shelf)}) as made:
        run = await made.start(repository=f"{DECLARED}{on}")
        cause = await _failed(run)
    assert (cause.type, said in cause.message) == ("Misconfigured", True), cause.message


async def _failed(run: Any) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await run.result()
    cause: BaseException | None = failed.value.cause
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    assert cause is not None
    return cause
