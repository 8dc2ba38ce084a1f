"""What reviewers find in a diff, each with a quote, and which findings hold once the quotes are looked up."""

from typing import Any, Literal

from pydantic import Field

from contracts.base import Contract, Digest, Earlier, Line, PerMille, is_empty
from contracts.repositories import Compared
from contracts.runs import Request

Severity = Literal["critical", "high", "medium", "low"]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
"""Worst first."""

AT_ONCE = 15
"""Most findings that an agent could return by `findings/1`."""

MOST = 60
"""Most findings that one agent, or what stands in for it, may return."""


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


class FindingsV1(Contract, name="findings/1"):
    """What one agent found. No findings is a result."""

    summary: str = Field(min_length=1, max_length=1000)
    findings: tuple[Finding, ...] = Field(max_length=AT_ONCE)


class Suggested(Finding):
    """A finding as reviewers make it: with its kind of fault, and a patch where they have one."""

    rule: Line = Field(max_length=60, description="kind of fault, such as CWE-89, or a rule's name; empty: none fits")
    patch: str = Field(max_length=4000, description="unified diff that mends it, made on the files at the head; empty: none")


def _from_findings_1(body: dict[str, Any]) -> dict[str, Any]:
    findings = [{**one, "rule": "", "patch": ""} for one in body["findings"]]
    return {**body, "findings": findings, "not_looked_at": []}


class Findings(Contract, name="findings/2", earlier=Earlier(FindingsV1, _from_findings_1)):
    """What one reviewer found. No findings is a result."""

    summary: str = Field(min_length=1, max_length=1000)
    findings: tuple[Suggested, ...] = Field(max_length=MOST)
    not_looked_at: tuple[str, ...] = Field(max_length=20, description="files and questions that were left out, and why")


class Ranked(Finding):
    """A finding that holds: who found it, and a patch that was seen to apply."""

    rule: str = Field(default="", exclude_if=is_empty)
    patch: str = Field(default="", exclude_if=is_empty, description="applies to the files at the head; empty: none does")
    by: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="who found it; empty: it was not asked")
    note: str = Field(
        default="", exclude_if=is_empty, description="what became of it on the way, such as a patch that is left out"
    )


class Side(Contract):
    """What one reviewer says about a place where they disagree."""

    by: str
    severity: Severity | None = Field(description="None: it does not report this")
    what: str
    suggestion: str = ""


class Disagreement(Contract):
    """Reviewers who say different things about one place. Nobody decided it; both sides are shown."""

    file: str
    line: int
    about: Literal["severity", "patch", "left_out"] = Field(
        description="severity: two steps or more apart. patch: two that mend the same lines differently. "
        "left_out: the synthesiser dropped what a reviewer calls critical or high"
    )
    sides: tuple[Side, ...]


class Unproven(Contract):
    """A finding whose quote is not where it says, with the reason; listed apart from the findings."""

    finding: Finding
    reason: str


class CheckFindings(Request, name="check_findings/1"):
    """Look up the quotes of findings in the diff and in the files they name."""

    compared: Compared
    findings: tuple[Finding, ...]
    made_by: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="the handoffs that the findings are from")
    reviewed: tuple[str, ...] = Field(
        default=(),
        exclude_if=is_empty,
        description="handoffs of the reviewers, which the activity reads; empty: `findings` has all",
    )
    merged: str = Field(default="", exclude_if=is_empty, description="the synthesiser's handoff; empty: code merges")


class Checked(Contract, name="checked/1", brief=True):
    """Findings whose quote was found, worst first, each at the line of its quote; and those that are unproven."""

    findings: tuple[Ranked, ...] = ()
    unproven: tuple[Unproven, ...] = ()
    left_out: int = Field(default=0, description="number of findings that are only in the artifact, because there are too many")
    artifact: Digest | None = Field(default=None, description="all of them, as JSON; None: nothing was checked")
    disagreements: tuple[Disagreement, ...] = Field(default=(), exclude_if=is_empty, description="where reviewers differ")
    not_looked_at: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="what reviewers say they left out")

    def rows(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        """As tables for people: the findings, then what could not be proven."""
        found = [(one.severity, _told(one)) for one in self.findings]
        rest = [("unproven", f"{one.finding.file}: {one.finding.what} ({one.reason})") for one in self.unproven]
        rest += [("and", f"{self.left_out} more in artifact {(self.artifact or '')[:12]}")] if self.left_out else []
        split = [("disagree", _apart(one)) for one in self.disagreements]
        return tuple(found), tuple(rest), tuple(split), tuple(("left out", text) for text in self.not_looked_at)


def _told(one: Ranked) -> str:
    by = f"  [{', '.join(one.by)}]" if one.by else ""
    mends = "  A patch for it applies." if one.patch else ""
    return f"{one.file}:{one.line}  {one.what} {one.why} {one.suggestion}{mends}{by}"


def _apart(one: Disagreement) -> str:
    sides = "; ".join(f"{side.by}: {side.severity or 'does not report it'}: {side.what}" for side in one.sides)
    return f"{one.file}:{one.line}  about {one.about}: {sides}"
