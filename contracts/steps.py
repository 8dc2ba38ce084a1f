"""What the kit asks of activities: one model turn, one tool call, the start and end of a run."""

from decimal import Decimal
from typing import Any

from pydantic import Field

from contracts.agents import AgentPin, AgentRef, Choice
from contracts.base import Contract, Digest, Input
from contracts.conversation import Usage
from contracts.gates import GateKind, GatePolicy, Refusal
from contracts.handoff import Handoff
from contracts.runs import Pipeline, Request, RunRef
from contracts.workspace import WorkspaceRef


class PipelineInput(Input):
    """What every pipeline's input has. Only the accountable owner is needed, and policy may name a default for it."""

    owner: str | None = Field(default=None, max_length=200, description="the accountable person; None: policy's default owner")
    project: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    request_key: str | None = Field(
        default=None, max_length=200, description="unique per project; None: every start is a new request"
    )
    ceiling_usd: Decimal | None = Field(
        default=None, gt=0, le=1_000_000, description="most this run may cost; None: policy's default"
    )


class BeginRun(Request):
    """Ask for the run row, the pinned release and the pinned policy."""

    pipeline: Pipeline
    run_id: str
    input: dict[str, Any]
    owner: str | None
    request_key: str | None
    ceiling_micros: int | None
    agents: tuple[str, ...]
    gates: tuple[GateKind, ...]
    actions: tuple[str, ...] = Field(default=(), description="action types that the pipeline may propose")


class Began(Contract, name="began/1"):
    """What a run goes by from here on. `duplicate_of` names the run that has this request key already, else None."""

    owner: str
    ceiling_micros: int
    policy_digest: Digest
    agents: dict[str, AgentPin]
    gates: dict[str, GatePolicy]
    duplicate_of: str | None = None


class RunContext(Contract, name="run_context/1"):
    """What a child needs to be a part of its family."""

    run: RunRef
    began: Began


class Record(Request):
    """Commit waiting feed lines, refusals and the run row's change, without any other effect."""

    refusals: tuple[Refusal, ...] = ()


class CallModel(Request):
    """Ask for one model turn. `task` carries the task's bytes with the first turn only; later ones know its digest."""

    key: Digest
    agent: AgentRef
    choices: tuple[Choice, ...] = Field(description="the models that may answer, in order, as the run pinned them")
    head: str = ""
    task_digest: Digest
    task: str | None = None
    inputs: tuple[str, ...] = Field(default=(), description="handoffs that the task is made from")
    occurrence: int = 1
    finish: str | None = Field(default=None, description="why this must be the final output, with what there is")


class TurnCall(Contract):
    """One tool call of a turn, without its arguments: those stay in the ledger."""

    index: int
    name: str


class Turn(Contract, name="turn/1"):
    """One stored turn. Exactly one of `calls`, `handoff` and `problem` says what to do next."""

    id: Digest
    calls: tuple[TurnCall, ...] = ()
    handoff: Handoff[Any] | None = None
    problem: str | None = None
    usage: Usage
    usd_micros: int
    model: str


class WorkspaceUse(Contract):
    """A workspace as one step sees it: where it starts, under which name, and the state its edits have reached."""

    name: str
    ref: WorkspaceRef
    state: Digest | None = Field(default=None, description="patch from the start to now; None: nothing changed yet")
    check: str | None = None
    environment: str | None = None


class RunTool(Request):
    """Ask for one tool call of a stored turn."""

    turn: Digest
    index: int
    agent: AgentRef
    workspace: WorkspaceUse | None = None


class ToolDone(Contract, name="tool_done/1"):
    """That a tool call has its stored result. A failed tool is a result, too."""

    turn: Digest
    index: int
    name: str
    failed: bool = False
    state: Digest | None = Field(default=None, description="the workspace's state after an effect")
    repeated: bool = Field(default=False, description="an equal effect had just been done; nothing was done again")


class Finish(Record):
    """Ask for the run's end: its report as JSON, beside the last lines and the final state."""

    report: str


class Totals(Contract):
    """What a run family used."""

    calls: int
    tokens: int
    usd_micros: int
