"""Triage's contracts: the input, the agents' tasks and results, and the report."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Contract
from contracts.inputs import PipelineInput, Typed
from contracts.reports import Reading, Report


class TriageInput(PipelineInput, name="triage_input/1"):
    """A message from a user."""

    message: Annotated[str, Typed("-m")] = Field(min_length=1, max_length=20_000, description="what the user wrote")


class Message(Contract, name="message/1"):
    """The dispatcher's task."""

    text: str


class Assignment(Contract, name="assignment/1"):
    """The dispatcher's result and the answerer's task."""

    kind: Literal["question", "complaint", "request"]
    message: str = Field(max_length=20_000, description="the user's words that must be answered, copied")
    wanted: str = Field(min_length=1, max_length=2000, description="what the answer must say")


class Answer(Contract, name="answer/1"):
    """The answer for the user."""

    text: str = Field(min_length=1, max_length=4000)


class TriageReport(Report, name="triage_report/1"):
    """How a triage ended, with its answer."""

    answer: str = ""

    def reading(self) -> Reading:
        """The answer, if a person approved it."""
        return Reading((("answer", self.answer),))


INPUT, REPORT, EXAMPLE = TriageInput, TriageReport, {"message": "Why was I charged twice?"}
CONTRACTS: tuple[type[Contract], ...] = (Answer, Assignment, Message, TriageInput, TriageReport)
