"""Rules about what agents hand off, the confidence that policy asks of one, and gates of one pipeline alone."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowUpdateFailedError

from tests.stack import result_of, sample
from tests.workflows.conftest import Start
from tests.workflows.performing import policy
from tests.workflows.test_delivery import PLANNER

RULES = """
[[rules]]
name = "every plan"
why = "plans are looked at twice"
agent = "planner"
when = [{ field = "confidence", is = "at_least", value = 1 }, { field = "outcome", is = "is", value = "done" }]
gate = "policy"

[pipelines.delivery.gates.plan]
approvals = 2
requester_may_approve = false
"""


async def test_a_rule_has_a_person_look_at_a_plan_before_its_gate(start: Start, tmp_path: Path) -> None:
    """A gate `policy` shows the rule and what it was about; after it the pipeline's own plan gate takes two people."""
    async with start(PLANNER, policy=policy(tmp_path, tier="confirm", rules=RULES)) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "policy")
        assert view.gate == "policy-1"
        assert "policy: rule every plan: plans are looked at twice" in view.facts
        await stack.decide(view)
        plan = await stack.gate(run, "plan-1")
        assert (plan.approvals, plan.risk.partition(":")[0]) == (2, "low")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stack.decide(plan, by="olga")
        assert "may not approve it" in str(refused.value.cause)
        assert (await stack.decide(plan))["counts"]
        await stack.decide(plan, "reject", by="otto", note="no")
        report = await result_of(run)
        story = await stack.said(run)
    assert (report.state, report.reason) == ("could_not", "the plan was rejected by otto: no")
    assert "maria: approve at plan-1 (1 of 2: maria)" in story


async def test_the_confidence_that_policy_asks_for_counts(start: Start, tmp_path: Path) -> None:
    """Above what an agent's own file asks for: the plan's gate says that the planner is unsure, and of how much."""
    floor = "\n[agents.planner]\nminimum_confidence = 1000\n"
    async with start(PLANNER, policy=policy(tmp_path, tier="confirm", rules=floor)) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        plan = await stack.gate(run, "plan-1")
        assert "below its minimum of 1000" in " ".join(plan.facts)
        assert plan.risk.startswith("high: ")
        await stack.decide(plan, "reject", note="no")
        assert (await result_of(run)).state == "could_not"
