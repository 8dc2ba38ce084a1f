"""A workflow that is two agent steps side by side and nothing else, for tests of that."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.delivery.plan import WorkItem
    from contracts.delivery.run import DeliveryInput
    from contracts.delivery.writing import WriteSummary, WriteTask
    from contracts.handoff import Handoff
    from workflows.kit.ask import ask
    from workflows.kit.kit import Kit
    from workflows.kit.side_by_side import side_by_side
    from workflows.kit.step import Step

SIDES = ("left", "right")


@workflow.defn(name="AskTwice")
class AskTwice:
    """Asks the agent `helper` twice at once, about the items `left` and `right`; then once more, about `after`."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify", "stuck"))

    @workflow.run
    async def run(self, asked: DeliveryInput) -> dict[str, Handoff[Any]]:
        """The handoff of each step."""
        await self.kit.begin(asked, ("helper",))
        steps: dict[str, Step[Any]] = await side_by_side(self.kit, **{name: self._ask(name) for name in SIDES})
        steps["after"] = await self._ask("after")
        await self.kit.finish("done", "{}")
        return {name: Handoff[Any].model_validate(step.handoff.model_dump()) for name, step in steps.items()}

    async def _ask(self, name: str) -> Step[WriteSummary]:
        item = WorkItem(id=name, intent=name, files=("a.py",), settings=(), acceptance=("it is so",), depends_on=())
        task = WriteTask(item=item, instruction=f"the {name} one", plan_summary="two items")
        return await ask(self.kit, name, "helper", task, WriteSummary)
