"""Workflows that are one agent step and nothing else, for tests of the step."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.repositories.fetch import Fetch
    from contracts.delivery.plan import WorkItem
    from contracts.delivery.run import DeliveryInput
    from contracts.delivery.writing import WriteSummary, WriteTask
    from contracts.handoff import Handoff
    from contracts.repositories import PrepareRepository, WorkspaceRef, WorkspaceUse
    from workflows.kit.ask import ask
    from workflows.kit.kit import Kit
    from workflows.kit.options import WORK

ITEM = WorkItem(id="one", intent="say höher", files=("a.py",), settings=(), acceptance=("it says höher",), depends_on=())
NO_REPOSITORY = "none"


@workflow.defn(name="AskOnce")
class AskOnce:
    """Asks the agent `helper` once. With a repository it works in a workspace."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify", "stuck"))

    @workflow.run
    async def run(self, asked: DeliveryInput) -> Handoff[Any]:
        """The step's handoff as the coordinator gets it."""
        await self.kit.begin(asked, ("helper",))
        task = WriteTask(item=ITEM, instruction=asked.instruction, plan_summary="one item")
        use = None if asked.repository == NO_REPOSITORY else await self._workspace(asked)
        step = await ask(self.kit, "ask", "helper", task, WriteSummary, workspace=use)
        await self.kit.finish("done", "{}")
        return Handoff[Any].model_validate(step.handoff.model_dump())

    async def _workspace(self, asked: DeliveryInput) -> WorkspaceUse:
        request = PrepareRepository(run=self.kit.ref, repository=asked.repository, base=None, check=None)
        base = await self.kit.do(Fetch.prepare_repository, request, "git: fetch", **WORK)
        return WorkspaceUse(name=f"{self.kit.ref.trace}/ask", ref=WorkspaceRef(repository=base.repository, base=base.commit))
