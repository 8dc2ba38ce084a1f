"""Every pipeline, listed by hand. Commands, the worker's guard, golden schemas, replay and docs all use this list.

A pipeline's contracts are listed in the module that `contracts_in` names. It is imported on first use: `baton --help` lists
the commands without it.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

# For the type checker only: `baton --help` reads this list without loading any contract.
if TYPE_CHECKING:
    from contracts.base import Contract
    from contracts.inputs import PipelineInput
    from contracts.reports import Report


@dataclass(frozen=True)
class PipelineSpec:
    """One job that teams give to agents: what the rest of Baton needs to know about it."""

    workflow: str
    """Its workflow type in Temporal, also its name in `baton runs` and the ledger."""
    command: str
    """The command that starts it, and the first word of its runs' ids."""
    help: str
    """What it does, in one line."""
    contracts_in: str
    """The module that defines its `INPUT`, `REPORT`, `EXAMPLE` and `CONTRACTS`."""
    parts: tuple[str, ...] = ()
    """Workflow types of its children, which nobody starts by hand."""

    @property
    def input(self) -> "type[PipelineInput]":
        """The contract that it is started with."""
        return cast("type[PipelineInput]", self._named("INPUT"))

    @property
    def report(self) -> "type[Report]":
        """The contract of its report."""
        return cast("type[Report]", self._named("REPORT"))

    @property
    def contracts(self) -> "tuple[type[Contract], ...]":
        """Every contract that its stages exchange, input and report included."""
        return cast("tuple[type[Contract], ...]", self._named("CONTRACTS"))

    @property
    def example(self) -> Mapping[str, Any]:
        """The smallest meaningful input."""
        return cast("Mapping[str, Any]", self._named("EXAMPLE"))

    def _named(self, name: str) -> Any:
        return getattr(importlib.import_module(self.contracts_in), name)


PIPELINES: tuple[PipelineSpec, ...] = (
    PipelineSpec(
        workflow="Delivery",
        command="deliver",
        help="Deliver a change: plan, write, test, push. A person approves the plan and the change.",
        contracts_in="contracts.delivery",
        parts=("WriteItem",),
    ),
    PipelineSpec(
        workflow="Review",
        command="review",
        help="Review a change: what is wrong with it, each finding with a quote that was looked up.",
        contracts_in="contracts.review",
        parts=("ReviewPart",),
    ),
    PipelineSpec(
        workflow="Act",
        command="act",
        help="Perform one declared action, such as a post, a mail or a statement, as policy says; or take one back.",
        contracts_in="contracts.act",
    ),
    PipelineSpec(
        workflow="Load",
        command="load",
        help="Load a file's rows into a declared table, each once; bad rows are kept apart, and the counts add up.",
        contracts_in="contracts.load",
        parts=("LoadPart",),
    ),
    PipelineSpec(
        workflow="Diagnosis",
        command="diagnose",
        help="Diagnose services by their logs, all at once: causes with quoted lines, contradictions, and fixes by tier.",
        contracts_in="contracts.diagnosis",
        parts=("DiagnoseService",),
    ),
    PipelineSpec(
        workflow="Support",
        command="support",
        help="Answer tickets: sort them, look up the customer, reply and refund as policy says, or hand them to a person.",
        contracts_in="contracts.support",
        parts=("SupportCase",),
    ),
)

LAYER = "Spread"
"""Workflow type of the layer between a run of any pipeline and very many children."""

BY_WORKFLOW: Mapping[str, PipelineSpec] = {one.workflow: one for one in PIPELINES}

KNOWN = tuple(one.workflow for one in PIPELINES)
"""Workflow types that people start."""

PARTS = {part: one.workflow for one in PIPELINES for part in one.parts} | {LAYER: "the run that has so many children"}
"""Workflow types that only another of our workflows starts, and which one."""
