"""One turn of an agent: its model call and tool calls, as the coordinator requests them and hears of them."""

from typing import Any

from pydantic import Field

from contracts.agents import AgentRef, Choice, When
from contracts.base import Contract, Digest, PerMille
from contracts.conversation import Usage
from contracts.handoff import ByPerson, Claim, Outcome, Question
from contracts.money import Part
from contracts.people import Clarified
from contracts.repositories import Workspace
from contracts.runs import Request
from contracts.step_resources import Declared
from contracts.work import Work


class CallModel(Request, name="call_model/1"):
    """Ask for one model turn. `task` carries the task's bytes on the first turn only; later ones send its digest.

    A run whose pins are in the ledger sends only `name`: `agent`, `choices` and `key` follow from them.
    """

    name: str = Field(default="", description="the agent, as the run pinned it")
    key: str = ""
    agent: AgentRef | None = None
    choices: tuple[Choice, ...] = Field(default=(), description="the models that may answer, in order")
    head: str = ""
    task_digest: str = Field(default="", description="of the task; empty: that of `task`")
    task: str | None = None
    answers: tuple[Clarified, ...] = Field(default=(), description="what people have answered this agent so far")
    inputs: tuple[str, ...] = Field(default=(), description="handoffs that the task is made from")
    occurrence: int = 1
    beyond: bool = Field(default=False, description="a person let this step continue although it is unusually large")
    finish: str | None = Field(default=None, description="why this must be the final output, with what there is")
    parts: tuple[Part, ...] = Field(default=(), description="shares of the family's money that this call counts against")
    tried: When = Field(default="first", description="why this call is made: `invalid` where it repairs an unusable reply")
    degraded: str = Field(default="", description="why this agent stands in for another")
    work: str = Field(default="", description="the gate at which a person has done this step instead of a model")


class TurnCall(Contract):
    """One tool call of a turn, without its arguments: those stay in the ledger."""

    index: int = 0
    name: str


class Answered(Contract):
    """A final output, without what the coordinator knows already."""

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
    cached: bool = Field(default=False, description="reused from an identical earlier call")
    person: ByPerson | None = Field(default=None, description="who did the step instead of a model")


class Partial(Contract):
    """What an agent had said when a limit ended its step without a final output."""

    artifact: Digest
    shown: str = Field(description="its beginning; the artifact has all of it")


class Turn(Contract, name="turn/1", brief=True):
    """One stored turn. Exactly one of `calls`, `answered` and `problem` says what to do next.

    With `work` nothing is stored yet: the route leads to a person, who is asked at a gate.

    Values that the request named are not repeated.
    """

    calls: tuple[TurnCall, ...] = ()
    answered: Answered | None = None
    problem: str | None = None
    usage: Usage
    usd_micros: int = 0
    partial: Partial | None = Field(default=None, description="with the problem of a reply that had to be the last")
    cached: bool = Field(default=False, description="reused from an identical earlier call; no model was called")
    work: Work | None = Field(default=None, description="what a person is to do; no model was called")


class RunTool(Request, name="run_tool/1"):
    """Ask for one tool call of a stored turn."""

    turn: Digest
    index: int = 0
    agent: AgentRef | None = Field(default=None, description="None: the agent that the stored turn names")
    workspace: Workspace | None = None
    resources: Declared = Declared()


class ToolDone(Contract, name="tool_done/1", brief=True):
    """Confirms that a tool call's result, a failure too, is stored. Values that the request named are not repeated."""

    failed: bool = False
    state: Digest | None = Field(default=None, description="the workspace's state after an effect")
    repeated: bool = Field(default=False, description="an identical effect had just been applied; nothing was done again")
