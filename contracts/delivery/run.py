"""A delivery as a whole: what it is asked, where it is, how it ended."""

from typing import Literal

from pydantic import Field

from contracts.actions import Receipt
from contracts.base import Command, Contract, Line
from contracts.delivery.testing import TestReport
from contracts.gates import GateView
from contracts.handoff import Question
from contracts.inputs import PipelineInput
from contracts.repositories import ChangeCounts, FileChange
from contracts.runs import RunState

Effort = Literal["full", "auto"]


class DeliveryInput(PipelineInput, name="delivery_input/1"):
    """What a delivery is asked to do."""

    repository: Line = Field(min_length=1, max_length=1000, description="path or URL of a git repository")
    instruction: str = Field(min_length=1, max_length=20_000, description="what should change, in plain words")
    base: Line | None = Field(default=None, max_length=200, description="branch, tag or commit; None: the default branch")
    check: Command | None = Field(
        default=None, max_length=1000, description="command that must pass; None or blank: detected, or asked"
    )
    environment: Line | None = Field(default=None, max_length=1000, description="prepared interpreter folder for checks")
    branch: Line | None = Field(
        default=None, max_length=200, description="branch to push; None: made from instruction and tree"
    )
    effort: Effort | None = Field(
        default=None, description="auto: a router may skip what the task does not need; None: policy's default, which is full"
    )
    rework: int = Field(default=2, ge=0, le=10, description="rounds after failed tests before a person is asked")


class DeliveryStatus(Contract, name="delivery_status/1"):
    """Where a delivery is now."""

    run: str
    trace: str
    state: RunState
    stage: str
    waiting_for: GateView | None = None
    did: str = ""
    why: str = ""
    next: str = ""
    spent_micros: int = 0
    ceiling_micros: int = 0
    scripted: bool = False


class DeliveryReport(Contract, name="delivery_report/1"):
    """How a delivery ended."""

    run: str
    trace: str
    state: RunState
    reason: str = ""
    repository: str = ""
    base: str = ""
    branch: str = ""
    commit: str = ""
    tree: str = ""
    summary: str = ""
    files: tuple[FileChange, ...] = ()
    counts: ChangeCounts | None = Field(default=None, description="None: every file is named above")
    tests: TestReport | None = None
    receipts: tuple[Receipt, ...] = ()
    approved_by: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    usd_micros: int = 0
    tokens: int = 0
    scripted: bool = Field(default=False, description="no real model took part")
    degraded: tuple[str, ...] = Field(default=(), description="steps that a fallback did, because no model could be asked")
