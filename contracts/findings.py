"""What reviewers find in a diff, each with a quote, and which findings hold once the quotes are looked up."""

from typing import Literal

from pydantic import Field

from contracts.base import Contract, Digest, Line, PerMille, is_empty
from contracts.repositories import Compared
from contracts.runs import Request

Severity = Literal["critical", "high", "medium", "low"]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
"""Worst first."""

AT_ONCE = 15
"""Most findings that one agent may return."""


class Analysis(Contract, name="analysis/1"):
    """What a difference does, and where to look."""

    summary: str = Field(min_length=1, max_length=2000)
    look_at: tuple[str, ...] = Field(max_length=20, description="places and questions, the riskiest first")


class Finding(Contract):
    """One thing that is wrong with a difference. `line` counts from 1, at the head or, for removed lines, the base."""

    file: Line = Field(min_length=1, max_length=500)
    line: int = Field(ge=1, le=10_000_000)
    quote: str = Field(min_length=1, max_length=400, description="copied character by character from the diff or the file")
    severity: Severity
    confidence: PerMille
    what: str = Field(min_length=1, max_length=200, description="what is wrong, in one sentence")
    why: str = Field(max_length=600, description="what goes wrong because of it, and when")
    suggestion: str = Field(max_length=600, description="what to do instead")


class Findings(Contract, name="findings/1"):
    """What one agent found. No findings is a result."""

    summary: str = Field(min_length=1, max_length=1000)
    findings: tuple[Finding, ...] = Field(max_length=AT_ONCE)


class Unproven(Contract):
    """A finding whose quote is not where it says, with the reason; listed apart from the findings."""

    finding: Finding
    reason: str


class CheckFindings(Request, name="check_findings/1"):
    """Look up the quotes of findings in the diff and in the files they name."""

    compared: Compared
    findings: tuple[Finding, ...]
    made_by: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="the handoffs that the findings are from")


class Checked(Contract, name="checked/1"):
    """Findings whose quote was found, worst first, each at the line of its quote; and those that are unproven."""

    findings: tuple[Finding, ...] = ()
    unproven: tuple[Unproven, ...] = ()
    left_out: int = Field(default=0, description="number of findings that are only in the artifact, because there are too many")
    artifact: Digest | None = Field(default=None, description="all of them, as JSON; None: nothing was checked")

    def rows(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        """As tables for people: the findings, then what could not be proven."""
        found = [(one.severity, f"{one.file}:{one.line}  {one.what} {one.why} {one.suggestion}") for one in self.findings]
        rest = [("unproven", f"{one.finding.file}: {one.finding.what} ({one.reason})") for one in self.unproven]
        rest += [("and", f"{self.left_out} more in artifact {(self.artifact or '')[:12]}")] if self.left_out else []
        return tuple(found), tuple(rest)
