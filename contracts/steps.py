"""What the kit asks of activities: one model turn, one tool call, the start and end of a run."""

from decimal import Decimal
from typing import Any

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from contracts.agents import AgentRef, Choice, Risk, When
from contracts.base import Contract, Digest, Input, Line, PerMille
from contracts.carried import Carried
from contracts.conversation import Usage
from contracts.gates import GateKind, Refusal
from contracts.handoff import Claim, Handoff, Outcome, Question
from contracts.money import Part
from contracts.pins import Began
from contracts.runs import Pipeline, Request, RunRef
from contracts.workspace import WorkspaceRef


def _is_none(value: object) -> bool:
    return value is None


Continued = SkipJsonSchema[Carried | None]
"""What a run hands to itself when it continues as new: in no schema, and refused where a person types it."""


class PipelineInput(Input):
    """What every pipeline's input has. Only the accountable owner is needed, and policy may name a default for it."""

    owner: Line | None = Field(default=None, max_length=200, description="the accountable person; None: policy's default owner")
    project: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    request_key: Line | None = Field(
        default=None, max_length=200, description="unique per project; None: every start is a new request"
    )
    ceiling_usd: Decimal | None = Field(
        default=None, gt=0, le=1_000_000, description="most this run may cost; None: policy's default"
    )
    risk: Risk = Field(default="low", description="what is at stake; a class of routes.toml may demand better models for it")
    carried: Continued = Field(default=None, exclude_if=_is_none)


class BeginRun(Request, name="begin_run/1"):
    """Ask for the run row, the pinned release and the pinned policy."""

    pipeline: Pipeline
    run_id: str
    input: dict[str, Any]
    owner: str | None
    request_key: str | None
    ceiling_micros: int | None
    agents: tuple[str, ...]
    auto: tuple[str, ...] = Field(default=(), description="agents that only `effort: auto` needs")
    gates: tuple[GateKind, ...]
    actions: tuple[str, ...] = Field(default=(), description="action types that the pipeline may propose")
    next: str = Field(default="", description="what happens first, for the feed")
    story: int = Field(default=1, description="the newest story that the workflow's code knows")


class RunContext(Contract, name="run_context/1"):
    """What a child needs to be a part of its family."""

    run: RunRef
    began: Began
    parts: tuple[Part, ...] = Field(default=(), description="of its family's money, from the root's child down to this one")


class ChildInput(Contract):
    """What every child workflow's input has."""

    context: RunContext
    carried: Continued = Field(default=None, exclude_if=_is_none)


class Record(Request, name="record/1"):
    """Commit waiting feed lines, refusals and the run row's change, without any other effect."""

    refusals: tuple[Refusal, ...] = ()


class CallModel(Request, name="call_model/1"):
    """Ask for one model turn. `task` carries the task's bytes with the first turn only; later ones know its digest.

    A run whose row has its pins names the agent alone: `agent`, `choices` and `key` follow from the ledger.
    """

    begin: BeginRun | None = Field(default=None, description="let the run in first, in the same transaction")
    name: str = Field(default="", description="the agent, as the run pinned it")
    key: str = ""
    agent: AgentRef | None = None
    choices: tuple[Choice, ...] = Field(default=(), description="the models that may answer, in order")
    head: str = ""
    task_digest: str = Field(default="", description="of the task; empty: that of `task`")
    task: str | None = None
    inputs: tuple[str, ...] = Field(default=(), description="handoffs that the task is made from")
    occurrence: int = 1
    beyond: bool = Field(default=False, description="a person lets this step go on although it is unusually large")
    finish: str | None = Field(default=None, description="why this must be the final output, with what there is")
    parts: tuple[Part, ...] = Field(default=(), description="of the family's money, which this call counts against")
    tried: When = Field(default="first", description="what came before: `invalid` where this turn repairs one")
    degraded: str = Field(default="", description="why this agent stands in for another one")


class TurnCall(Contract):
    """One tool call of a turn, without its arguments: those stay in the ledger."""

    index: int = 0
    name: str


class Answered(Contract):
    """A final output, with what the coordinator does not know of it already."""

    id: Digest = Field(description="of the handoff that the ledger keeps")
    outcome: Outcome
    body: dict[str, Any] | None = None
    reason: str = ""
    confidence: PerMille = 1000
    questions: tuple[Question, ...] = ()
    claims: tuple[Claim, ...] = ()
    unsupported: tuple[int, ...] = ()
    taint: tuple[str, ...] = ()
    model: str = Field(description="provider:model that answered")
    cached: bool = Field(default=False, description="an equal call of before had this answer")


class Partial(Contract):
    """What an agent had said when a limit ended its step without a final output."""

    artifact: Digest
    shown: str = Field(description="its beginning; the artifact has all of it")


class Turn(Contract, name="turn/1", brief=True):
    """One stored turn. Exactly one of `calls`, `answered` and `problem` says what to do next.

    What the request named is not said again. `id`, `handoff` and `model` are there in histories of before.
    """

    id: str = ""
    began: Began | None = Field(default=None, description="what the run goes by, in the turn that let it in")
    calls: tuple[TurnCall, ...] = ()
    answered: Answered | None = None
    handoff: Handoff[Any] | None = None
    problem: str | None = None
    usage: Usage
    usd_micros: int = 0
    model: str = ""
    partial: Partial | None = Field(default=None, description="with the problem of a reply that had to be the last")
    cached: bool = Field(default=False, description="an equal call of before answered; nothing was asked or paid")


class WorkspaceUse(Contract):
    """A workspace as one step sees it: where it starts, under which name, and the state its edits have reached."""

    name: str
    ref: WorkspaceRef
    state: Digest | None = Field(default=None, description="patch from the start to now; None: nothing changed yet")
    check: str | None = None
    environment: str | None = None


class RunTool(Request, name="run_tool/1"):
    """Ask for one tool call of a stored turn."""

    turn: Digest
    index: int = 0
    agent: AgentRef | None = Field(default=None, description="None: the agent that the stored turn names")
    workspace: WorkspaceUse | None = None


class ToolDone(Contract, name="tool_done/1", brief=True):
    """That a tool call has its stored result. A failed tool is a result, too.

    What the request named is not said again; `turn`, `index` and `name` are there in histories of before.
    """

    turn: str = ""
    index: int = 0
    name: str = ""
    failed: bool = False
    state: Digest | None = Field(default=None, description="the workspace's state after an effect")
    repeated: bool = Field(default=False, description="an equal effect had just been done; nothing was done again")


class Finish(Record, name="finish/1"):
    """Ask for the run's end: its report as JSON, beside the last lines and the final state."""

    report: str


class Totals(Contract, name="totals/1", brief=True):
    """What a run family used."""

    calls: int
    tokens: int
    usd_micros: int
