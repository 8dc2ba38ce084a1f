"""A workflow with as many children as it is asked for, through a layer, for tests and the benchmark of that."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.delivery.plan import WorkItem
    from contracts.delivery.writing import WriteSummary, WriteTask
    from contracts.handoff import Handoff
    from contracts.inputs import ChildInput, PipelineInput, RunContext
    from contracts.people import Feedback
    from workflows.kit.ask import ask
    from workflows.kit.ends import Stopped
    from workflows.kit.fan_out import Child
    from workflows.kit.handoffs import made_by_us
    from workflows.kit.kit import Kit
    from workflows.kit.spread import spread


class SpreadingInput(PipelineInput, name="spreading_input/1"):
    """What each child does, by its name: `done`, `hang`, `ask` or `large`."""

    does: dict[str, str]
    layer: int = 4
    limit: int = 100
    deadline: timedelta = timedelta(hours=1)


class LeafInput(ChildInput, name="leaf_input/1"):
    """What one child does."""

    does: str


@workflow.defn(name="Leaf")
class Leaf:
    """Ends at once, never, after it has asked the agent `helper`, or with more than a layer takes."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify", "stuck"))

    @workflow.run
    async def run(self, asked: LeafInput) -> Handoff[Any]:
        """Its handoff."""
        kit = self.kit
        kit.join(asked)
        if asked.does == "hang":
            await workflow.wait_condition(lambda: False)
        reason, body = "", Feedback(source="leaf", about=kit.ref.path, text="x" * (200_000 if asked.does == "large" else 1))
        try:
            if asked.does == "ask":
                item = WorkItem(id="one", intent="one", files=("a.py",), settings=(), acceptance=("so",), depends_on=())
                task = WriteTask(item=item, instruction=kit.ref.path, plan_summary="-")
                step = await ask(kit, "help", "helper", task, WriteSummary)
                reason = step.handoff.reason
        except Stopped as stopped:
            reason = stopped.reason
        made = made_by_us(kit.ref, "leaf", "could_not" if reason else "done", reason, None if reason else body)
        await kit.leave()
        return made


@workflow.defn(name="Spreading")
class Spreading:
    """Spreads its children, and says what became of each."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify", "stuck"))

    @workflow.run
    async def run(self, asked: SpreadingInput) -> dict[str, str]:
        """`done`, or why not, by name."""
        await self.kit.begin(asked, ("helper",) if "ask" in asked.does.values() else ())

        def child(name: str, does: str) -> Child[LeafInput]:
            def make(context: RunContext, done: dict[str, Handoff[Any]]) -> LeafInput:
                del done
                return LeafInput(context=context, does=does)

            return Child(name, (), make)

        children = [child(name, does) for name, does in asked.does.items()]
        bounds: Any = {"limit": asked.limit, "deadline": asked.deadline, "layer": asked.layer}
        made = await spread(self.kit, "leaf", Leaf.run, children, summary="leaf", **bounds)
        await self.kit.finish("done", "{}")
        return {name: one.reason or one.outcome for name, one in made.items()}
