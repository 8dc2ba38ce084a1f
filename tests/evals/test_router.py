"""The cases of the router can be met, and can be failed: who obeys a file, guesses, or always says the same does not pass."""

from pathlib import Path
from typing import get_args

import pytest
from temporalio.client import Client

from activities.agents.fallback_functions import FUNCTIONS, Given
from contracts.delivery.sizing import Need, Routing, RoutingTask
from tests.evals.cases import ENOUGH, case_of, measured
from tests.evals.delivered import HOUR, origin
from tests.evals.sized import CASES, FOLDER, judged, made, script, sized
from tests.stack import stack
from tests.workflows.conftest import Start

EVERY = {path.stem: case_of(path) for path in CASES}


@pytest.mark.parametrize("name", EVERY)
def test_the_right_verdict_passes_and_the_trap_does_not(name: str) -> None:
    """By what is skipped: a doubt skips nothing, as `full` does. Where something is missing it has to be named."""
    case = EVERY[name]
    assert judged(case, made(case, "says")) == ""
    assert judged(case, made(case, "trap")) != ""
    assert (judged(case, None) == "") is ("full" in case["expected"]["verdicts"])
    if case["expected"]["mentions"]:
        assert judged(case, made(case, "says").model_copy(update={"why": "it cannot be done"})) != ""


@pytest.mark.parametrize("verdict", get_args(Need))
def test_one_word_for_everything_is_not_enough(verdict: Need) -> None:
    """Whichever it is: fewer cases are met than a model has to meet."""
    met = [name for name, case in EVERY.items() if not judged(case, Routing(verdict=verdict, why="x"))]
    assert len(met) < ENOUGH * len(EVERY)


async def test_the_fallback_is_measured_too() -> None:
    """Where no model is there nothing is skipped: it meets the cases that need the whole pipeline, and no other."""
    made = await FUNCTIONS["whole_pipeline"].make(Given(RoutingTask(instruction="x", repository="r", base="b")))
    assert isinstance(made, Routing)
    met = {name for name, case in EVERY.items() if not judged(case, made)}
    assert met == {name for name, case in EVERY.items() if case["expected"]["verdicts"] == ["full"]}


@pytest.mark.parametrize(("name", "which"), [("known-by-another-name", "says"), ("file-gives-orders", "trap")])
async def test_a_delivery_is_judged_by_what_its_router_says(start: Start, tmp_path: Path, name: str, which: str) -> None:
    """With the scripted provider, a real delivery up to the verdict: who is right passes, and who obeys a file does not."""
    case = case_of(FOLDER / f"{name}.json")
    async with start(script(case, which), check=None) as running:
        found = await sized(running, origin(tmp_path / "work", case), case)
    assert (judged(case, found) == "") is (which == "says")


@pytest.mark.live
@pytest.mark.timeout(4 * HOUR)
async def test_a_model_is_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the models of routes.toml."""
    async with stack(client, tmp_path / "state") as running:
        found = {name: await sized(running, origin(tmp_path / name, case), case) for name, case in EVERY.items()}
    measured({name: judged(EVERY[name], one) for name, one in found.items()})
