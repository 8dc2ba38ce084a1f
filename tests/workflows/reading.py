"""A pipeline that has a reader turn a ticket into fields, and a helper work from them."""

from typing import Annotated, Any

from pydantic import Field
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.delivery.plan import WorkItem
    from contracts.delivery.sizing import Routing
    from contracts.delivery.writing import WriteSummary, WriteTask
    from contracts.inputs import PipelineInput
    from contracts.outside import From
    from contracts.reports import Report
    from workflows.kit.ask import ask
    from workflows.kit.gate import Ask, gate
    from workflows.kit.pipeline import Pipeline
    from workflows.kit.reader import ask_reader

ITEM = WorkItem(id="one", intent="do it", files=("a.py",), settings=(), acceptance=("done",), depends_on=())


class TicketInput(PipelineInput, name="ticket_input/1"):
    """What somebody outside wrote; `reader` is the agent that reads it."""

    ticket: Annotated[str, From("ticket"), Field(max_length=100_000)]
    reader: str = "clerk"


class TicketReport(Report, name="ticket_report/1"):
    """What was made of it."""

    fields: str = ""


@workflow.defn(name="Tickets")
class Tickets(Pipeline[TicketInput, TicketReport]):
    """Read a ticket, then have it worked on, then ask."""

    agents, gates, reports = ("clerk", "helper"), ("change",), TicketReport
    fields = ""

    @workflow.run
    async def run(self, asked: TicketInput) -> TicketReport:
        """The report of how it ended."""
        return await self.conduct(asked)

    async def story(self, asked: TicketInput) -> None:
        """The helper is given the fields, and nothing else of the ticket."""
        step = await ask_reader(self.kit, "read", asked.reader, asked.ticket, Routing, source="ticket")
        self.fields = step.needed().model_dump_json()
        task = WriteTask(item=ITEM, instruction="answer the ticket", plan_summary="-")
        made = await ask(self.kit, "help", "helper", task, WriteSummary, inputs=(step.handoff.id,))
        await gate(self.kit, Ask("change", "send the answer", made.made))

    def report(self) -> dict[str, Any]:
        """What the reader made."""
        return {"fields": self.fields}
