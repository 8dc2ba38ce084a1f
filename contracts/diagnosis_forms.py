"""A diagnosis's report as Markdown, for people at a ticket or in a channel. Pure."""

from collections.abc import Iterator

from contracts.diagnosis import DiagnosisReport, ServiceOutcome, said
from contracts.diagnosis_parts import Conflict, Contradiction
from contracts.review_forms import code_span, escaped
from contracts.text import amount

SHOWN = 40


def markdown(report: DiagnosisReport) -> str:
    """The report for people. Nothing that a log says can become a link, a mention, or markup."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: DiagnosisReport) -> Iterator[str]:
    roots = ", ".join(code_span(one) for one in report.roots) or "no cause found"
    yield from (f"## Diagnosis: {roots}", "")
    if report.degraded:
        yield from (
            f"**Degraded: no model took part in {amount(len(report.degraded), 'step')}.** Errors were clustered by code.",
            "",
        )
    if report.scripted:
        yield from ("**Scripted model: no real model was used.**", "")
    if report.summary:
        yield from (escaped(report.summary, 2000), "")
    for one in report.services:
        yield from _service(one)
    yield from _section(
        "Time line", (f"{one.at:%H:%M:%S} {code_span(one.service)}: {escaped(one.what, 300)}" for one in report.timeline)
    )
    rulings = {one.id: f" Weighed: {escaped(one.holds or 'undecided')}, {escaped(one.why)}" for one in report.rulings}
    apart: tuple[Contradiction | Conflict, ...] = (*report.contradictions, *report.conflicts)
    rows = (f"{one.id}, {escaped(one.on)}: {' / '.join(map(escaped, one.sides))}.{rulings.get(one.id, '')}" for one in apart)
    yield from _section("What does not agree", rows)
    fixes = (f"{one.became}: {one.fix.id}: {escaped(said(one.fix.change))}" for one in report.fixes)
    yield from _section("Fixes", fixes)
    yield from _section("Open", map(escaped, (*report.open, *report.missing)))
    yield f"Run {code_span(report.run)}."


def _service(one: ServiceOutcome) -> Iterator[str]:
    by = f", by {code_span(one.by)}, {one.confidence // 10} % sure" if one.by else ""
    yield from (f"### {one.service}: {one.state}{by}", "", escaped(one.cause, 2000), "")
    for claim in one.claims:
        yield f"- {escaped(claim.subject)}, {escaped(claim.attribute)}: {escaped(claim.value)}"
        yield from (f"  - {code_span(f'{two.file}:{two.line}')} {code_span(two.quote)}" for two in claim.quotes[:3])
    yield from (f"- unsupported: {escaped(two.claim.value)} ({escaped(two.reason)})" for two in one.unsupported)
    yield ""


def _section(title: str, rows: Iterator[str]) -> Iterator[str]:
    listed = [f"- {row}" for row in rows]
    if listed:
        yield from (f"### {title}", "", *listed[:SHOWN], "")
