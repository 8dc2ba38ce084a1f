"""Every contract that crosses a boundary. Golden schemas, `baton contracts` and agent files use this list."""

from contracts.actions import GitPush, NoteAction, Receipt
from contracts.agents import AgentPin
from contracts.base import Contract
from contracts.carried import Carried
from contracts.effects.every import ARGUMENTS
from contracts.errors import NewerVersion, NotFound
from contracts.findings import Analysis, Checked, Findings, FindingsV1
from contracts.gates import Decided, Decision, GateView
from contracts.inputs import RunContext
from contracts.money import CeilingRefused
from contracts.outside import OutsideTask
from contracts.pins import Began
from contracts.pipelines import PIPELINES
from contracts.programs import ProgramEnd, ProgramTask
from contracts.rechecks import ClaimsTask, Rechecked
from contracts.reports import RunStatus
from contracts.repositories import Base, ChangeSet, CheckRun, Integrated, WorkspaceRef
from contracts.runs import FeedLine
from contracts.signing import SignedDecision
from contracts.turns import ToolDone, Turn
from contracts.wire import WIRE
from contracts.work import Work, WorkSheet

SHARED: tuple[type[Contract], ...] = (
    AgentPin,
    Analysis,
    Base,
    Began,
    Carried,
    CeilingRefused,
    ChangeSet,
    CheckRun,
    Checked,
    ClaimsTask,
    Decided,
    Decision,
    FeedLine,
    Findings,
    FindingsV1,
    GateView,
    GitPush,
    Integrated,
    NoteAction,
    OutsideTask,
    ProgramEnd,
    ProgramTask,
    Receipt,
    Rechecked,
    RunContext,
    RunStatus,
    SignedDecision,
    ToolDone,
    Turn,
    Work,
    WorkSheet,
    WorkspaceRef,
)
"""Contracts that more than one pipeline uses. Each pipeline lists its own."""

_EFFECTS = tuple(one for one in ARGUMENTS.values() if one not in SHARED)

CONTRACTS: tuple[type[Contract], ...] = (
    *SHARED,
    *_EFFECTS,
    *(contract for pipeline in PIPELINES for contract in pipeline.contracts),
)

EVERY = (*CONTRACTS, *WIRE)
"""Every contract with a golden schema."""

BY_NAME: dict[str, type[Contract]] = {contract.contract: contract for contract in CONTRACTS}


def named(name: str) -> type[Contract]:
    """The contract with this name and version. Raises `NotFound`, listing those that exist, or `NewerVersion`."""
    found = BY_NAME.get(name)
    if found is not None:
        return found
    family, _, number = name.partition("/")
    versions = sorted(int(one.partition("/")[2]) for one in BY_NAME if one.partition("/")[0] == family)
    if versions and number.isdecimal() and int(number) > versions[-1]:
        raise NewerVersion.than(tuple(f"{family}/{version}" for version in versions), name)
    raise NotFound(f"there is no contract {name!r}; there are {', '.join(sorted(BY_NAME))}")
