"""Triage: a supervisor says what the answer to a message must say, a worker writes it, a person approves it."""

from typing import Any

from temporalio import workflow

from contracts.triage import Answer, Assignment, Message, TriageInput, TriageReport
from workflows.kit.ask import ask
from workflows.kit.ends import Ended
from workflows.kit.gate import Ask, gate
from workflows.kit.pipeline import Pipeline


@workflow.defn(name="Triage")
class Triage(Pipeline[TriageInput, TriageReport]):
    """From a message to its answer."""

    reports = TriageReport
    agents = ("dispatcher", "answerer")
    gates = ("clarify", "change")
    answer = ""

    @workflow.run
    async def run(self, asked: TriageInput) -> TriageReport:
        """Return the final report."""
        return await self.conduct(asked)

    async def story(self, asked: TriageInput) -> None:
        """Dispatch, answer, approve."""
        self.kit.enter("dispatch", "the dispatcher says what the message is about")
        assigned = await ask(self.kit, "dispatch", "dispatcher", Message(text=asked.message), Assignment)
        task = assigned.needed()
        self.kit.enter("answer", f"the answerer answers the {task.kind}, and a person approves it")
        step = await ask(self.kit, "answer", "answerer", task, Answer, inputs=(assigned.handoff.id,))
        answer = step.needed().text
        decided = await gate(self.kit, Ask("change", "approve the answer", step.made, (f"asked for: {task.wanted}",), answer))
        if decided.verb != "approve":
            raise Ended(f"{decided.gate} ended with {decided.verb}: {decided.note or 'no reason given'}")
        self.answer = answer

    def report(self) -> dict[str, Any]:
        """The report's own fields."""
        return {"answer": self.answer}
