"""Every pipeline, by hand. Commands, the worker's guard, the golden schemas, replay and the docs go by this list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts import delivery
from contracts.base import Contract
from contracts.delivery.run import DeliveryInput, DeliveryReport
from contracts.inputs import PipelineInput
from contracts.reports import Report


@dataclass(frozen=True)
class PipelineSpec:
    """One job that teams give to agents, by what everybody outside it needs to know of it."""

    workflow: str
    """Its workflow type in Temporal: how starts, `baton runs` and the ledger name it."""
    command: str
    """The command that starts it, and the first word of its runs' ids."""
    help: str
    """What it does, in one line."""
    input: type[PipelineInput]
    report: type[Report]
    contracts: tuple[type[Contract], ...]
    """All that its stages hand each other, input and report included."""
    parts: tuple[str, ...] = ()
    """Workflow types of its children, which nobody starts by hand."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """The smallest input that makes sense."""


PIPELINES: tuple[PipelineSpec, ...] = (
    PipelineSpec(
        workflow="Delivery",
        command="deliver",
        help="Deliver a change: plan, write, test, push. A person approves the plan and the change.",
        input=DeliveryInput,
        report=DeliveryReport,
        contracts=delivery.CONTRACTS,
        parts=("WriteItem",),
        example={"repository": "/srv/git/shop", "instruction": "999 cents at 50 percent must be 500. Fix it."},
    ),
)

BY_WORKFLOW: Mapping[str, PipelineSpec] = {one.workflow: one for one in PIPELINES}
