"""A run that is one agent step of a few model calls, and begins it when it is told: for many runs that share one budget."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.delivery.plan import WorkItem
    from contracts.delivery.run import DeliveryInput
    from contracts.delivery.writing import WriteSummary, WriteTask
    from workflows.kit.ask import ask
    from workflows.kit.kit import Kit

AGENT = "helper"
ITEM = WorkItem(id="one", intent="count", files=("a.py",), settings=(), acceptance=("it is counted",), depends_on=())


@workflow.defn(name="AskWhenTold")
class AskWhenTold:
    """Is admitted, waits for `go`, and asks the agent `helper` once: a ceiling that runs wait at admits no new ones."""

    def __init__(self) -> None:
        self.kit = Kit(())
        self.told = False

    @workflow.run
    async def run(self, asked: DeliveryInput) -> str:
        """How the step ended."""
        await self.kit.begin(asked, (AGENT,))
        await workflow.wait_condition(lambda: self.told)
        task = WriteTask(item=ITEM, instruction=asked.instruction, plan_summary="one item")
        step = await ask(self.kit, "ask", AGENT, task, WriteSummary)
        await self.kit.finish("done", "{}")
        return step.handoff.outcome

    @workflow.signal
    def go(self) -> None:
        """All runs are admitted."""
        self.told = True
