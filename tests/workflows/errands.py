"""A pipeline whose agent says which actions it wants, as JSON in its summary; each of them is performed. For the puppet."""

import json
from typing import Annotated, Any

from pydantic import Field
from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.actions.prepare import Preparing
    from activities.repositories.fetch import Fetch
    from contracts.act import PrepareAction
    from contracts.actions import Receipt
    from contracts.base import Line
    from contracts.delivery.plan import WorkItem
    from contracts.delivery.writing import WriteSummary, WriteTask
    from contracts.inputs import PipelineInput
    from contracts.outside import From
    from contracts.reports import Report
    from contracts.repositories import PrepareRepository, Workspace, WorkspaceRef
    from workflows.kit.ask import ask
    from workflows.kit.ends import cause_of
    from workflows.kit.options import LEDGER, WORK
    from workflows.kit.perform import perform
    from workflows.kit.pipeline import Pipeline

ITEM = WorkItem(id="one", intent="do it", files=("a.py",), settings=(), acceptance=("done",), depends_on=())


class ErrandInput(PipelineInput, name="errand_input/1"):
    """What is wanted, what somebody outside wrote, and a repository that agents read."""

    instruction: str
    repository: Line
    ticket: Annotated[str, From("ticket"), Field(max_length=20_000)] = ""
    check: str | None = None


class ErrandReport(Report, name="errand_report/1"):
    """What became of each action."""

    receipts: tuple[Receipt, ...] = ()


@workflow.defn(name="Errands")
class Errands(Pipeline[ErrandInput, ErrandReport]):
    """A reader of the repository, then a helper that is given what it made and the ticket; then the helper's actions."""

    agents, reports = ("scout", "helper"), ErrandReport
    actions = ("file.write", "sql.execute")
    workspaces = True

    def __init__(self) -> None:
        super().__init__()
        self.receipts: tuple[Receipt, ...] = ()

    @workflow.run
    async def run(self, asked: ErrandInput) -> ErrandReport:
        """The report of how it ended."""
        return await self.conduct(asked)

    async def story(self, asked: ErrandInput) -> None:
        """Ask, then do what was said."""
        request = PrepareRepository(run=self.kit.ref, repository=asked.repository, base=None, check=asked.check)
        base = await self.kit.do(Fetch.prepare_repository, request, "git: fetch", **WORK)
        ref = WorkspaceRef(repository=base.repository, base=base.commit)
        use = Workspace(name=f"{self.kit.ref.trace}/ask", ref=ref, check=asked.check)
        task = WriteTask(item=ITEM, instruction=asked.instruction, plan_summary="-")
        scouted = await ask(self.kit, "scout", "scout", task, WriteSummary, resources=(use,))
        task = task.model_copy(update={"plan_summary": asked.ticket or "-"})
        step = await ask(self.kit, "help", "helper", task, WriteSummary, inputs=(scouted.handoff.id,), resources=(use,))
        for adapter, arguments in json.loads(step.needed().summary):
            prepare = PrepareAction(run=self.kit.ref, type=adapter, arguments=json.dumps(arguments))
            try:
                prepared = await self.kit.do(Preparing.prepare_action, prepare, f"action: check {adapter}", **LEDGER)
            except ActivityError as error:
                self.kit.note(f"refused: {adapter}", cause_of(error))  # what no target takes is no action at all
                continue
            receipt = await perform(self.kit, prepared.intent, prepared.arguments, known=prepared.facts)
            self.receipts = (*self.receipts, receipt)

    def report(self) -> dict[str, Any]:
        """What became of it."""
        return {"receipts": self.receipts}
