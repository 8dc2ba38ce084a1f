"""A second agent of another class looks at a step's claims: what it refutes or cannot support stands at the next gate."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ledger import handoffs
from tests.activities import agentfiles
from tests.scripts import answer, could_not, item, plan, read, says
from tests.stack import result_of, sample
from tests.workflows.conftest import Start

QUOTE = {"artifact": "@artifact:read_file:1", "quote": "Prices are whole cents."}
CLAIMS = [
    {"subject": "prices", "attribute": "unit", "value": "whole cents", "evidence": [QUOTE]},
    {"subject": "prices", "attribute": "rounded", "value": "up", "evidence": [QUOTE]},
]
PLANNER = says("planner", read("README.md"), answer(plan(item("fix", ["shop/pricing.py"])), claims=CLAIMS))


def agents(folder: Path) -> Path:
    """The shipped agents, with a planner whose claims `checker` suspects."""
    shutil.copytree("agents", folder)
    text = (folder / "planner" / "v1.md").read_text()
    (folder / "planner" / "v2.md").write_text(text.replace("version: 1\n", "version: 2\nsuspects: checker\n", 1))
    suspect = {"name": "checker", "class": "reviewer", "takes": "claims_to_check/1", "returns": "rechecked_claims/1"}
    agentfiles.write(folder, "Look at each claim.", **suspect, tools=["read_file"], resources={"workspace": "read"})
    return folder


def verdicts(*each: tuple[int, str, str]) -> dict[str, Any]:
    """What the checker says."""
    return {"verdicts": [{"number": number, "verdict": verdict, "why": why} for number, verdict, why in each]}


REFUTED = "prices: rounded = up (refuted by checker@v1 (scripted): nothing says how)"
ROWS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("both hold", answer(verdicts((0, "holds", ""), (1, "holds", ""))), ()),
    ("one is refuted", answer(verdicts((0, "holds", ""), (1, "refuted", "nothing says how"))), (REFUTED,)),
    (
        "one is left out, one said twice",
        answer(verdicts((1, "holds", ""), (1, "unsupported", "it is not there"))),
        (
            "prices: unit = whole cents (checker@v1 (scripted) says nothing of it)",
            "prices: rounded = up (not supported by checker@v1 (scripted): it is not there)",
        ),
    ),
    ("it could not", could_not("no file here"), ("(not re-checked: checker@v1 (scripted) no file here)",)),
]


@pytest.mark.parametrize(("said", "doubts"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_what_a_second_agent_doubts_stands_at_the_gate(
    start: Start, tmp_path: Path, said: Any, doubts: tuple[str, ...]
) -> None:
    """With its reason, and for the risk; what it confirms stands nowhere. It reads the files, and its look is on record."""
    checker = says("checker", read("README.md"), said)
    async with start(PLANNER, checker, agents=agents(tmp_path / "agents")) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "plan-1")
        await stack.decide(view, "reject", note="enough")
        assert (await result_of(run)).state == "could_not"
        rows = await stack.ledger.read(handoffs.of_trace, view.trace)
    told = [fact for fact in view.facts if "without verified evidence" in fact]
    assert bool(told) is bool(doubts), view.facts
    assert all(one in told[0] for one in doubts), view.facts
    assert ("without checked evidence" in view.risk) is bool(doubts)
    assert [row.path for row in rows] == ["plan/1", "plan/1/suspects"] or said == ROWS[-1][1]


async def test_a_step_without_claims_has_nobody_look(start: Start, tmp_path: Path) -> None:
    """There is nothing to check, so no second model is paid."""
    planner = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
    async with start(planner, agents=agents(tmp_path / "agents")) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "plan-1")
        await stack.decide(view, "reject", note="enough")
        await result_of(run)
        assert [row.path for row in await stack.ledger.read(handoffs.of_trace, view.trace)] == ["plan/1"]
