"""Writing in a delivery: one work item for one writer, and what it says it did."""

from pydantic import Field

from contracts.base import Contract
from contracts.delivery.plan import WorkItem
from contracts.inputs import ChildInput
from contracts.people import Feedback
from contracts.repositories import WorkspaceRef


class WriteTask(Contract, name="write_task/1"):
    """What a writer is given: one item, and what was wrong with an earlier try."""

    item: WorkItem
    instruction: str
    plan_summary: str
    feedback: tuple[Feedback, ...] = ()


class WriteSummary(Contract, name="write_summary/1"):
    """What a writer says it did. What it really did is read from the workspace."""

    summary: str = Field(min_length=1, max_length=4000)
    how_it_meets: tuple[str, ...] = Field(max_length=20, description="one line for each acceptance criterion")


class WriteItemInput(ChildInput, name="write_item_input/1"):
    """Input of the child workflow of one work item."""

    task: WriteTask
    start: WorkspaceRef
    check: str | None = None
    environment: str | None = None
    inputs: tuple[str, ...] = ()
    agent: str = Field(default="writer", description="the agent that does it")
    deadline_s: int = 7200
