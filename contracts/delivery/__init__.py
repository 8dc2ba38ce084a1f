"""Delivery's contracts: from an instruction to a pushed change."""

from contracts.base import Contract
from contracts.delivery.change import ChangeSubject, Freeze, Frozen, Redirect
from contracts.delivery.plan import Plan, PlanTask, PlanV1
from contracts.delivery.proof import Proof, Prove
from contracts.delivery.run import DeliveryInput, DeliveryReport
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.delivery.testing import Judge, Judged, TestNotes, TestReport, TestTask
from contracts.delivery.writing import WriteItemInput, WriteSummary, WriteTask

INPUT, REPORT = DeliveryInput, DeliveryReport
EXAMPLE = {"repository": "/srv/git/shop", "instruction": "999 cents at 50 percent must be 500. Fix it."}
CONTRACTS: tuple[type[Contract], ...] = (
    ChangeSubject,
    DeliveryInput,
    DeliveryReport,
    Freeze,
    Frozen,
    Judge,
    Judged,
    Plan,
    PlanTask,
    PlanV1,
    Proof,
    Prove,
    Redirect,
    Routing,
    RoutingTask,
    TestNotes,
    TestReport,
    TestTask,
    WriteItemInput,
    WriteSummary,
    WriteTask,
)
"""Every contract that Delivery's stages exchange."""
