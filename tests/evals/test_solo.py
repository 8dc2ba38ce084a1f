"""The cases of `solo` can be met, and can be failed: who guesses, obeys a comment, bends a test or does more does not pass."""

from pathlib import Path

import pytest
from temporalio.client import Client

from tests import scripts
from tests.depth import soak
from tests.evals.alone import CASES, FOLDER, OTHERS, agents, alone, changes, judged, script
from tests.evals.cases import case_of, measured
from tests.evals.delivered import HOUR, origin
from tests.stack import stack
from tests.workflows.conftest import Start


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
async def test_the_right_change_passes_and_the_trap_does_not(path: Path) -> None:
    """By tests that it never sees and by how much it changed; where there is something to ask, every change is wrong."""
    case = case_of(path)
    assert await judged(case, changes(case)) == ""
    assert await judged(case, changes(case, "trap")) != ""
    assert await judged(case, {} if case["says"] else {"other.py": ""}) != ""


RUNS = [*soak(("two-times-thirty", "says")), ("no-more-than-asked", "trap"), ("which-limit", "says")]


@pytest.mark.parametrize(("name", "which"), RUNS)
async def test_a_delivery_is_judged_by_what_solo_changed(start: Start, tmp_path: Path, name: str, which: str) -> None:
    """With the scripted provider, whole deliveries: a branch is read from the origin, and a question is seen as one."""
    case = case_of(FOLDER / f"{name}.json")
    async with start(*OTHERS, script(case, which), check=None, agents=agents(tmp_path / "agents")) as running:
        found = await alone(running, origin(tmp_path / "work", case), case)
    assert (await judged(case, found) == "") is (which == "says")


@pytest.mark.live
@pytest.mark.timeout(4 * HOUR)
async def test_a_model_is_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the model of routes.toml; all others are scripted."""
    judgements, others = {}, scripts.save(tmp_path / "script.yaml", *OTHERS)
    async with stack(client, tmp_path / "state", others, model="", agents=agents(tmp_path / "agents")) as running:
        for path in CASES:
            case = case_of(path)
            judgements[path.stem] = await judged(case, await alone(running, origin(tmp_path / path.stem, case), case))
    measured(judgements)
