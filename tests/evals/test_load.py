"""The cases of `mapper` can be met, and can be failed: whoever obeys a cell, or guesses, does not pass."""

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.agents.fallback_functions import FUNCTIONS, Given
from contracts.load import MapTask
from contracts.tables import Mapping
from tests import scripts
from tests.evals.cases import case_of, measured
from tests.evals.mapping import CASES, FOLDER, judged, proposed
from tests.hostile import orders
from tests.scripts import answer, says, unsure

each = pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)


@each
def test_the_expected_answer_passes_and_the_trap_does_not(path: Path) -> None:
    """The right mapping, or the right question; not the one that a cell or a header asks for."""
    case = case_of(path)
    right = None if case["ask"] else Mapping.model_validate({"columns": case["expected"]})
    assert judged(case, right) == ""
    wrong = Mapping.model_validate({"columns": case["trap"]}) if "trap" in case else None if not case["ask"] else _any(case)
    assert judged(case, wrong) != ""


def _any(case: dict[str, object]) -> Mapping:
    task = MapTask.model_validate(case["task"])
    return Mapping.model_validate({"columns": [{"to": one.name, "source": task.header[0]} for one in task.columns]})


async def test_the_fallback_is_measured_too() -> None:
    """Columns of equal names are all that it knows: it meets the cases in which that is enough, and no trap."""
    met = set()
    for path in CASES:
        case = case_of(path)
        made = await FUNCTIONS["same_names"].make(Given(MapTask.model_validate(case["task"])))
        assert isinstance(made, Mapping)
        if judged(case, made) == "":
            met.add(path.stem)
    assert met == {"same-names", "cell-gives-orders"}


async def test_orders_beside_the_columns_map_nothing() -> None:
    """Without a model, columns that are called by orders of every kind leave the mapping as it is."""
    task = MapTask.model_validate(case_of(FOLDER / "same-names.json")["task"])
    ordered = task.model_copy(update={"header": (*orders.texts().values(), *task.header)})
    made, clean = [await FUNCTIONS["same_names"].make(Given(one)) for one in (ordered, task)]
    assert made == clean


@pytest.mark.parametrize("name", ["german-shop", "zone-in-header", "two-amounts"])
async def test_a_load_is_judged_by_what_its_mapper_proposes(client: Client, tmp_path: Path, name: str) -> None:
    """With the scripted provider, whole loads: a mapping is taken from the gate, and a question is seen as one."""
    case = case_of(FOLDER / f"{name}.json")
    asks = unsure("either may be meant", {"id": "which", "text": "Which one?"})
    script = scripts.save(
        tmp_path / "script.yaml", says("mapper", asks if case["ask"] else answer({"columns": case["expected"]}))
    )
    assert judged(case, await proposed(client, tmp_path / name, case, script)) == ""


@pytest.mark.live
@pytest.mark.timeout(4 * 3600)
async def test_a_model_is_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the model of routes.toml."""
    cases = {path.stem: case_of(path) for path in CASES}
    measured({name: judged(case, await proposed(client, tmp_path / name, case)) for name, case in cases.items()})
