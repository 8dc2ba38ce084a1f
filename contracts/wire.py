"""What only the kit, activities and children hand each other, by hand. Open runs hold it in their histories over an upgrade."""

from contracts.actions import Deliver, Resolve
from contracts.away import FallBack, ModelsAway
from contracts.base import Contract
from contracts.carried import Children, Keep, Kept, Recall, Recalled, Round
from contracts.gates import AdmitDecision, Opened, OpenGate
from contracts.steps import BeginRun, CallModel, Finish, Record, RunTool, Totals
from contracts.work import (
    CollectChanges,
    DropWorkspaces,
    Freeze,
    Integrate,
    Judge,
    PrepareRepository,
    RunChecks,
    Shown,
)

WIRE: tuple[type[Contract], ...] = (
    AdmitDecision,
    BeginRun,
    CallModel,
    Children,
    CollectChanges,
    Deliver,
    DropWorkspaces,
    FallBack,
    Finish,
    Freeze,
    Integrate,
    Judge,
    Keep,
    Kept,
    ModelsAway,
    Opened,
    OpenGate,
    PrepareRepository,
    Recall,
    Recalled,
    Record,
    Resolve,
    Round,
    RunChecks,
    RunTool,
    Shown,
    Totals,
)
