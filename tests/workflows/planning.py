"""A workflow that asks for a plan, as the release before `plan/2` had it and as it is now."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.delivery.plan import Plan, PlanTask, PlanV1
    from contracts.delivery.run import DeliveryInput
    from contracts.repositories import Workspace, WorkspaceRef
    from workflows.kit.ask import ask
    from workflows.kit.kit import Kit


async def _first_item(kit: Kit, asked: DeliveryInput, returns: type[Plan] | type[PlanV1]) -> str:
    await kit.begin(asked, ("planner",))
    task = PlanTask(instruction=asked.instruction, repository="none", base="")
    nowhere = Workspace(name="none", ref=WorkspaceRef(repository="none", base=""))  # the planner looks at no file here
    step = await ask(kit, "plan/1", "planner", task, returns, resources=(nowhere,))
    await kit.finish("done", "{}")
    return step.needed().items[0].intent


@workflow.defn(name="Plans")
class PlansAsBefore:
    """Knows `plan/1` alone."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify",))

    @workflow.run
    async def run(self, asked: DeliveryInput) -> str:
        """What the first item is about."""
        return await _first_item(self.kit, asked, PlanV1)


@workflow.defn(name="Plans")
class PlansAsNow:
    """Knows both."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify",))

    @workflow.run
    async def run(self, asked: DeliveryInput) -> str:
        """What the first item is about."""
        return await _first_item(self.kit, asked, Plan)
