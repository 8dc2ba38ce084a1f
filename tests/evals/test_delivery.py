"""The cases of Delivery's agents can be met, and can be failed: who guesses, obeys a comment or bends a test does not pass."""

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.evals.cases import case_of, measured
from tests.evals.delivered import CASES, FOLDER, HOUR, after, delivered, judged, origin, script
from tests.stack import stack
from tests.workflows.conftest import Start

each = pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)


@each
async def test_the_right_change_passes_and_the_trap_does_not(path: Path) -> None:
    """By tests that no agent sees; where there is something to ask, every change is wrong."""
    case = case_of(path)
    files = case["task"]["files"]
    assert await judged(case, after(files, case["says"]) if case["says"] else None) == ""
    assert await judged(case, after(files, case["trap"])) != ""
    assert await judged(case, {} if case["says"] else {"other.py": ""}) != ""


@pytest.mark.parametrize("name", ["last-page", "which-limit"])
async def test_a_delivery_is_judged_by_what_it_pushed(start: Start, tmp_path: Path, name: str) -> None:
    """With the scripted provider, whole deliveries: a branch is read from the origin, and a question is seen as one."""
    case = case_of(FOLDER / f"{name}.json")
    async with start(*script(case)) as running:
        assert await judged(case, await delivered(running, origin(tmp_path / "work", case), case)) == ""


@pytest.mark.live
@pytest.mark.timeout(4 * HOUR)
async def test_a_model_is_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the models of routes.toml."""
    judgements = {}
    async with stack(client, tmp_path / "state") as running:
        for path in CASES:
            case = case_of(path)
            judgements[path.stem] = await judged(case, await delivered(running, origin(tmp_path / path.stem, case), case))
    measured(judgements)
