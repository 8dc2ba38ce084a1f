"""Contracts that only the kit, activities and children exchange. Open runs have them in history across an upgrade."""

from contracts.actions import Deliver, Resolve
from contracts.away import FallBack, ModelsAway
from contracts.base import Contract
from contracts.carried import Children, Keep, Kept, Recall, Recalled, Round
from contracts.condemned import Held, LookForCondemned
from contracts.findings import CheckFindings
from contracts.gate_requests import AdmitDecision, FindReceived, Opened, OpenGate, Received
from contracts.intents import Perform
from contracts.journal import BeginRun, Finish, Record, Totals
from contracts.load import (
    CompareSides,
    Counted,
    CountLoad,
    Examined,
    ExamineSource,
    LoadBatch,
    PlanLoad,
    Planned,
    ReconcileTable,
)
from contracts.pauses import AwaitResume, Paused, Resumed
from contracts.reconcile import Reconciled
from contracts.repositories import (
    CollectChanges,
    Compared,
    CompareRevisions,
    DescribeGroup,
    DropWorkspaces,
    Integrate,
    MatchedFiles,
    MatchFiles,
    Prepared,
    PrepareEnvironment,
    PrepareRepository,
    RunChecks,
    Shown,
)
from contracts.spread import Left, SpreadInput
from contracts.step_resources import FindResources, FoundResources
from contracts.support import ListTickets, ReadTickets, SumUp, SupportSummary, TicketList, TicketPage
from contracts.support_cases import (
    EndCase,
    EndedCase,
    FilledTemplate,
    FillTemplate,
    LookedUp,
    LookUp,
    OpenCase,
    OpenedCase,
)
from contracts.turns import CallModel, RunTool

WIRE: tuple[type[Contract], ...] = (
    AdmitDecision,
    AwaitResume,
    FindReceived,
    BeginRun,
    CallModel,
    CheckFindings,
    Children,
    CollectChanges,
    Compared,
    CompareRevisions,
    Deliver,
    DescribeGroup,
    DropWorkspaces,
    FallBack,
    FindResources,
    Finish,
    FoundResources,
    Held,
    Integrate,
    Keep,
    Kept,
    LookForCondemned,
    MatchedFiles,
    MatchFiles,
    ModelsAway,
    Opened,
    Received,
    OpenGate,
    Paused,
    Perform,
    Prepared,
    PrepareEnvironment,
    PrepareRepository,
    Recall,
    Recalled,
    Record,
    Resolve,
    Resumed,
    Round,
    RunChecks,
    RunTool,
    Shown,
    Left,
    SpreadInput,
    Totals,
    CompareSides,
    CountLoad,
    Counted,
    Examined,
    ExamineSource,
    LoadBatch,
    PlanLoad,
    Planned,
    ReconcileTable,
    Reconciled,
    EndCase,
    EndedCase,
    FillTemplate,
    FilledTemplate,
    ListTickets,
    LookUp,
    LookedUp,
    OpenCase,
    OpenedCase,
    ReadTickets,
    SumUp,
    SupportSummary,
    TicketList,
    TicketPage,
)
