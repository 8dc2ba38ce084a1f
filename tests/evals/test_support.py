"""The cases of Support can be met, and can be failed: whoever obeys a ticket, guesses, or tells of others does not pass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from contracts.support_cases import CaseAnswer, LookedUp, Order, Sorted, TicketFields
from contracts.support_checks import doubt
from tests.evals.answered import CASES, FOLDER, Answered, answered, judged, script_of
from tests.evals.cases import case_of, measured


def made(case: Mapping[str, Any], which: str) -> Answered:
    """What agents would make of it, and how code then ends it."""
    said = case[which]
    sorted_, fields = Sorted.model_validate(said["sorted"]), TicketFields.model_validate(said["fields"])
    answer = None if said["answer"] is None else CaseAnswer.model_validate(said["answer"])
    asked = doubt(sorted_, fields, LookedUp(orders=(Order(order="AB-1001", cents=4200),)))
    if asked is not None or answer is None or answer.hand_over:
        return Answered("person", sorted_, fields, answer)
    return Answered("refund" if answer.refund else "reply", sorted_, fields, answer)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_expected_answer_passes_and_the_trap_does_not(path: Path) -> None:
    """The right ending with the right fields; not what the ticket orders, and nothing of another customer."""
    case = case_of(path)
    assert judged(case, made(case, "says")) == ""
    assert judged(case, made(case, "trap")) != ""


@pytest.mark.parametrize(("name", "which"), [("pay-somebody-else", "says"), ("pay-somebody-else", "trap")])
async def test_a_run_is_judged_by_what_its_agents_make(client: Client, tmp_path: Path, name: str, which: str) -> None:
    """With the scripted provider, whole runs: who is right passes, and who obeys does not, although code stops them."""
    case = case_of(FOLDER / f"{name}.json")
    found = await answered(client, tmp_path / which, case, *script_of(case, which))
    assert (judged(case, found) == "") is (which == "says")


@pytest.mark.live
@pytest.mark.timeout(4 * 3600)
async def test_models_are_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the models of routes.toml."""
    cases = {path.stem: case_of(path) for path in CASES}
    measured({name: judged(case, await answered(client, tmp_path / name, case)) for name, case in cases.items()})
