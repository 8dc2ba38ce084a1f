"""Steps that a person does: the route `human` makes them a gate, and what is handed in counts like an agent's answer."""

import shutil
from pathlib import Path

import pytest
from temporalio.client import WorkflowUpdateFailedError

from tests.scripts import a_tester, answer, edit, item, plan, writer
from tests.stack import sample
from tests.workflows.conftest import Start

PATH = "shop/pricing.py"
PLAN = answer(plan(item("round", [PATH])))["answer"]
OLD, NEW = "return int(cents * (100 - percent) / 100)", "return (cents * (100 - percent) + 50) // 100"
WRITES = writer("round", edit(PATH, OLD, NEW))


def routed(folder: Path, **agents: str) -> Path:
    """The shipped agents, of whom these have routes of their own, as TOML."""
    shutil.copytree("agents", folder)
    routes = folder / "routes.toml"
    own = "\n".join(f"{name} = {choices}" for name, choices in agents.items())
    routes.write_text(routes.read_text() + f"\n[agents]\n{own}\n")
    return folder


HUMAN = '[{ model = "human" }]'


async def test_a_person_plans_a_delivery(start: Start, tmp_path: Path) -> None:
    """The plan is refused with what is wrong until it fits, then it is the planner's handoff, of the person, at no cost."""
    agents = routed(tmp_path / "agents", planner=HUMAN)
    async with start(WRITES, a_tester(), agents=agents) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "work-1")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stack.decide(view, "answer", made=PLAN | {"body": {"summary": 1}})
        assert "does not fit plan/2: body.summary" in str(refused.value.cause)
        await stack.decide(view, "answer", made=PLAN)
        await stack.approve(run, "plan-1")
        await stack.approve(run, "change-1")
        report = await run.result()
    assert report.state == "done"
