"""Diagnosis's report: what is wrong with each service, what contradicts what, and what became of each fix."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from contracts.actions import Receipt
from contracts.base import Contract, is_empty, is_none
from contracts.diagnosis_edits import PreparedEdit, PrepareEdit
from contracts.diagnosis_input import DiagnosisInput
from contracts.diagnosis_parts import (
    CheckDiagnosis,
    CheckedDiagnosis,
    Conflict,
    Contradiction,
    DiagnoseServiceInput,
    Diagnosis,
    Fix,
    Incident,
    Investigation,
    LogClaim,
    ProposedChange,
    Quoted,
    Ruling,
    ServiceTask,
    Snapshot,
    TakeSnapshot,
    Unsupported,
    Weighed,
    WeighTask,
)
from contracts.reports import Reading, Report

ServiceState = Literal["faulty", "affected", "healthy", "unknown", "could_not"]
"""faulty: the cause lies in it. affected: it lies elsewhere. unknown: the logs do not say. could_not: there is no diagnosis."""

CLAIMS_SHOWN = 6


class ServiceOutcome(Contract):
    """What came out for one service."""

    service: str
    state: ServiceState
    cause: str = ""
    blames: str = Field(default="", exclude_if=is_empty)
    by: str = Field(default="", exclude_if=is_empty)
    confidence: int = 0
    claims: tuple[LogClaim, ...] = Field(default=(), exclude_if=is_empty, description="supported, each quote at its line")
    unsupported: tuple[Unsupported, ...] = Field(default=(), exclude_if=is_empty)
    left_out: int = Field(default=0, exclude_if=is_empty, description="claims that only the handoff has")
    errors: int = 0
    records: int = 0
    notes: tuple[str, ...] = Field(default=(), exclude_if=is_empty)


class Moment(Contract):
    """One point of the time line across services."""

    at: datetime
    service: str
    what: str
    quote: Quoted | None = Field(default=None, exclude_if=is_none)


class FixOutcome(Contract):
    """One proposed fix, and what became of it."""

    fix: Fix
    became: Literal["made", "failed", "escalated", "not_chosen", "proposed"] = Field(
        description="made: its action has a receipt, or nothing was left to do. failed: it has none, or a bad one. "
        "escalated: no action is declared, or it is not clear what to write, so that a person does it. "
        "not_chosen: the weigher or a person left it out. proposed: the run only reports"
    )
    why: str = ""
    receipt: Receipt | None = Field(default=None, exclude_if=is_none)


class DiagnosisReport(Report, name="diagnosis_report/1"):
    """How a diagnosis ended."""

    forms: ClassVar[tuple[str, ...]] = ("markdown",)

    question: str = ""
    summary: str = ""
    roots: tuple[str, ...] = Field(default=(), description="services, or HOST:PORT, where the cause lies")
    services: tuple[ServiceOutcome, ...] = ()
    timeline: tuple[Moment, ...] = ()
    conflicts: tuple[Conflict, ...] = Field(default=(), exclude_if=is_empty)
    contradictions: tuple[Contradiction, ...] = Field(default=(), exclude_if=is_empty)
    rulings: tuple[Ruling, ...] = Field(default=(), exclude_if=is_empty)
    fixes: tuple[FixOutcome, ...] = Field(default=(), exclude_if=is_empty)
    open: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="what stays undecided")
    missing: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="what could not be done, and why")

    def reading(self) -> Reading:
        """The causes first, then each service, the time line, what contradicts, and the fixes."""
        lines = (
            ("summary", self.summary),
            ("cause in", ", ".join(self.roots)),
            ("missing", "; ".join(self.missing)),
            ("open", "; ".join(self.open)),
        )
        tables = (self._services(), self._timeline(), self._apart(), self._fixes())
        return Reading(lines, tuple(table for table in tables if table))

    def _services(self) -> tuple[tuple[str, str], ...]:
        rows = list[tuple[str, str]]()
        for one in self.services:
            by = f"  [{one.by}]" if one.by else ""
            rows.append((one.service, f"{one.state}: {one.cause}{by}"))
            for claim in one.claims:
                at = "; ".join(f"{quote.file}:{quote.line} {quote.quote}" for quote in claim.quotes[:2])
                rows.append(("", f"{claim.subject}, {claim.attribute}: {claim.value}  ({at})"))
            rows += [("unsupported", f"{two.claim.subject}: {two.claim.value} ({two.reason})") for two in one.unsupported]
        return tuple(rows)

    def _timeline(self) -> tuple[tuple[str, str], ...]:
        return tuple((f"{one.at:%H:%M:%S}", f"{one.service}: {one.what}") for one in self.timeline)

    def _apart(self) -> tuple[tuple[str, str], ...]:
        ruled = {one.id: f"  Weighed: {one.holds or 'undecided'}, {one.why}" for one in self.rulings}
        both: tuple[Contradiction | Conflict, ...] = (*self.contradictions, *self.conflicts)
        return tuple((one.id, f"{one.on}: {one.sides[0]} / {one.sides[1]}{ruled.get(one.id, '')}") for one in both)

    def _fixes(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (one.became, f"{one.fix.id}: {said(one.fix.change)}{f' ({one.why})' if one.why else ''}") for one in self.fixes
        )


def said(change: ProposedChange) -> str:
    """A proposed change in one line."""
    where = f" in {change.file}" if change.file else ""
    value = f" = {change.value}" if change.value else ""
    return f"{change.kind} {change.name}{value}{where}: {change.what}"


INPUT, REPORT = DiagnosisInput, DiagnosisReport
EXAMPLE: dict[str, Any] = {"services": [{"name": "shop", "logs": ["/var/log/shop/*.log"]}]}
CONTRACTS: tuple[type[Contract], ...] = (
    CheckDiagnosis,
    CheckedDiagnosis,
    DiagnoseServiceInput,
    Diagnosis,
    DiagnosisInput,
    DiagnosisReport,
    Incident,
    Investigation,
    PreparedEdit,
    PrepareEdit,
    ServiceTask,
    Snapshot,
    TakeSnapshot,
    Weighed,
    WeighTask,
)
