"""Workflows that are one agent step and nothing else, for tests of the step."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.repositories.fetch import Fetch
    from contracts.delivery.plan import WorkItem
    from contracts.delivery.run import DeliveryInput
    from contracts.delivery.writing import WriteSummary, WriteTask
    from contracts.handoff import Handoff
    from contracts.repositories import PrepareRepository, Workspace, WorkspaceRef
    from contracts.step_resources import Database, Folder, Logs
    from workflows.kit.ask import ask
    from workflows.kit.kit import Kit
    from workflows.kit.options import WORK
    from workflows.kit.resources import StepResource

KINDS = {"folder": Folder, "logs": Logs, "database": Database}

ITEM = WorkItem(id="one", intent="say höher", files=("a.py",), settings=(), acceptance=("it says höher",), depends_on=())
NO_REPOSITORY = "none"
DECLARED = "declared "
"""Before resources as `kind:name`, with commas between them, in place of a repository."""


@workflow.defn(name="AskOnce")
class AskOnce:
    """Asks the agent `helper` once. With a repository it works in a workspace; declared resources come by name."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify", "stuck"))

    @workflow.run
    async def run(self, asked: DeliveryInput) -> Handoff[Any]:
        """The step's handoff as the coordinator gets it."""
        await self.kit.begin(asked, ("helper",))
        task = WriteTask(item=ITEM, instruction=asked.instruction, plan_summary="one item")
        on = await self._on(asked)
        step = await ask(self.kit, "ask", "helper", task, WriteSummary, resources=on)
        await self.kit.finish("done", "{}")
        return Handoff[Any].model_validate(step.handoff.model_dump())

    async def _on(self, asked: DeliveryInput) -> tuple[StepResource, ...]:
        if asked.repository == NO_REPOSITORY:
            return ()
        if asked.repository.startswith(DECLARED):
            named = (one.split(":") for one in asked.repository.removeprefix(DECLARED).split(","))
            return tuple(KINDS[kind](name=name, **({"access": how[0]} if how else {})) for kind, name, *how in named)
        return (await self._workspace(asked),)

    async def _workspace(self, asked: DeliveryInput) -> Workspace:
        request = PrepareRepository(run=self.kit.ref, repository=asked.repository, base=None, check=None)
        base = await self.kit.do(Fetch.prepare_repository, request, "git: fetch", **WORK)
        ref = WorkspaceRef(repository=base.repository, base=base.commit)
        return Workspace(name=f"{self.kit.ref.trace}/ask", ref=ref, access="write")
