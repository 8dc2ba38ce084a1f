"""A pause of a run whose children work, or are just being started: it reaches them, and resume lets them go on."""

import asyncio
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.worker import (
    Interceptor,
    SignalExternalWorkflowInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from ledger import runs
from tests.replay.scenarios import row_is, took_the_answer
from tests.scripts import a_tester, answer, edit, item, plan, read, says, writer
from tests.stack import PATIENCE, Held, Stack, beside, held, sample, until
from tests.workflows.conftest import Start
from workflows.delivery.item import WriteItem
from workflows.delivery.story import Delivery

OLD = "    return int(cents * (100 - percent) / 100)\n"
FIX = edit("shop/pricing.py", OLD, "    return (cents * (100 - percent) + 50) // 100\n")
PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
SCRIPT = (PLANNER, writer("fix", read("shop/pricing.py"), FIX), a_tester())


async def _pause(stack: Stack, run: WorkflowHandle[Any, Any]) -> None:
    """Pause, and wait until the run has told everybody: only then its row says so."""
    await run.execute_update("pause", {})
    await until(lambda: row_is(stack, run, "paused"), "the row says paused")


async def _answered(run: WorkflowHandle[Any, Any], model: Held) -> list[str]:
    """Let the model answer a paused workflow; what that has begun to do by the time that it has taken the answer."""
    model.go.set()
    await until(lambda: took_the_answer(run), "the model's answer was taken")
    sent = [event.activity_task_scheduled_event_attributes for event in (await run.fetch_history()).events]
    return [one.activity_type.name for one in sent if one.activity_type.name]


async def _resumed(stack: Stack, run: WorkflowHandle[Any, Any]) -> None:
    assert await run.execute_update("resume", {}) == "resumed"
    await stack.approve(run, "change")
    assert (await run.result()).state == "done"


async def test_a_pause_reaches_children_that_work(start: Start, tmp_path: Path) -> None:
    """A writer whose model was asked takes the answer, and does nothing with it before the run is resumed."""
    async with start(*SCRIPT, check=None) as stack:
        writers = held(stack, "writer")
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await stack.approve(run, "plan")
        await asyncio.wait_for(writers.asked.wait(), PATIENCE)
        await _pause(stack, run)
        child = stack.client.get_workflow_handle(f"{run.id}.write.1.fix")
        assert await _answered(child, writers) == ["call_model"]
        await _resumed(stack, run)


async def test_a_model_that_answers_in_a_pause_does_not_end_it(start: Start, tmp_path: Path) -> None:
    """The call was sent with what the row said before the pause. Whoever looks still sees a paused run, and nothing goes on."""
    async with start(says("planner", read("README.md"), *PLANNER["turns"]), check=None) as stack:
        planner = held(stack, "planner")
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await asyncio.wait_for(planner.asked.wait(), PATIENCE)
        await _pause(stack, run)
        assert (await _answered(run, planner))[-1] == "call_model"
        row = await stack.ledger.read(runs.find, run.id)
        assert (row.state, row.waiting_for) == ("paused", "resume")
        assert await run.execute_update("resume", {}) == "resumed"
        await stack.decide(await stack.gate(run, "plan"), "reject", note="seen enough")
        await run.result()


async def test_a_paused_agent_asks_no_model(start: Start, tmp_path: Path) -> None:
    """A reply that has to be repaired comes in a pause: the model is asked for the repair when the run is resumed."""
    async with start(says("planner", answer({"summary": "no items"}), *PLANNER["turns"]), check=None) as stack:
        planner = held(stack, "planner")
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await asyncio.wait_for(planner.asked.wait(), PATIENCE)
        await _pause(stack, run)
        assert (await _answered(run, planner)).count("call_model") == 1
        assert await run.execute_update("resume", {}) == "resumed"
        await stack.decide(await stack.gate(run, "plan"), "reject", note="seen enough")
        await run.result()


class SlowStarts(Interceptor):
    """Children begin only after a signal to them has come to nothing, as where a pause is faster than their start."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """One for each workflow."""
        begun = self.begun

        class Outbound(WorkflowOutboundInterceptor):
            missed = False

            async def start_child_workflow(self, input: StartChildWorkflowInput) -> Any:
                begun.append(input.id)
                await workflow.wait_condition(lambda: self.missed)
                return await super().start_child_workflow(input)

            async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
                try:
                    await super().signal_external_workflow(input)
                finally:
                    self.missed = True

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound


async def _said_all(run: WorkflowHandle[Any, Any]) -> bool | None:
    """True once the run knows that its child has begun, and no signal of it is on its way."""
    knows, begun, waiting = False, False, 0
    for event in (await run.fetch_history()).events:
        knows = knows or (begun and event.HasField("workflow_task_completed_event_attributes"))
        begun = begun or event.HasField("child_workflow_execution_started_event_attributes")
        waiting += event.HasField("signal_external_workflow_execution_initiated_event_attributes")
        waiting -= event.HasField("external_workflow_execution_signaled_event_attributes")
        waiting -= event.HasField("signal_external_workflow_execution_failed_event_attributes")
    return True if knows and not waiting else None


async def test_a_pause_reaches_a_child_that_is_just_starting(start: Start, tmp_path: Path) -> None:
    """It was not there yet when the run told its children; it is told as soon as it is."""
    slow = SlowStarts()
    async with (
        start(*SCRIPT, check=None) as stack,
        beside(stack, "slow", Delivery, WriteItem, sandboxed=False, interceptors=[slow]) as queue,
    ):
        writers = held(stack, "writer")
        run = await stack.deliver(sample(tmp_path / "sample"), queue, check="true")
        await stack.approve(run, "plan")

        async def starting() -> bool | None:
            return True if slow.begun else None

        await until(starting, "the run starts its child")
        await _pause(stack, run)
        await until(lambda: _said_all(run), "the run knows that its child has begun")
        child = stack.client.get_workflow_handle(slow.begun[0])
        assert await _answered(child, writers) == ["call_model"]
        await _resumed(stack, run)
