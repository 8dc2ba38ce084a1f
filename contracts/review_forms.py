"""A review's report as Markdown, for people at a pull request, and as SARIF 2.1.0, for the tools that show findings. Pure."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from contracts.base import sha256
from contracts.findings import SEVERITIES, Disagreement, Ranked, Unproven
from contracts.review import ReviewReport
from contracts.text import amount, one_line, visible

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

SHOWN = 50
"""Most findings of a report in Markdown: a comment has room for so many, and nobody reads more."""

COMMENT = 24_000
"""Most bytes of a comment: as text in JSON, every character escaped, it still fits into an action's arguments."""

LEVEL = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
SCORE = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
"""What GitHub sorts by (`security-severity`)."""

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
_CALLS = re.compile(r"[@#]|www(?=\.)|https?(?=\\:)")
"""Where the host makes a link of plain text; a character of no width keeps it from that."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~@&:-])")


def markdown(report: ReviewReport) -> str:
    """The report for people. Nothing of what was reviewed can become a link, a mention, or markup."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: ReviewReport) -> Iterator[str]:
    counts = [(name, sum(one.severity == name for one in report.checked.findings)) for name in SEVERITIES]
    said = ", ".join(f"{number} {name}" for name, number in counts if number) or "no findings"
    yield f"## Review: {said}"
    yield ""
    if report.degraded:
        yield f"**Degraded: no model took part in {amount(len(report.degraded), 'step')}.** Linters and patterns stood in."
        yield ""
    if report.scripted:
        yield "**Scripted model: no real model was used.**"
        yield ""
    if report.summary:
        yield escaped(report.summary, 2000)
        yield ""
    for one in report.checked.findings[:SHOWN]:
        yield from _finding(one)
    if (more := len(report.checked.findings) - SHOWN + report.checked.left_out) > 0:
        yield f"{amount(more, 'more finding')} in the report of the run."
        yield ""
    yield from _section("Where reviewers disagree", (_apart(one) for one in report.checked.disagreements))
    yield from _section("Unproven: the quote is not where it says", (_unproven(one) for one in report.checked.unproven))
    yield from _section("Not looked at", (escaped(text, 500) for text in (*report.missing, *report.checked.not_looked_at)))
    commits = f"{report.base[:12]} to {report.head[:12] or 'the patch'}"
    yield f"Compared {commits}. Run {code_span(report.run)}."


def comment_of(report: ReviewReport) -> str:
    """As Markdown of at most `COMMENT` bytes: of a longer one the last findings are left to the run's report."""
    checked = report.checked
    for kept in range(min(len(checked.findings), SHOWN), -1, -1):
        left = checked.left_out + len(checked.findings) - kept
        shorter = checked.model_copy(update={"findings": checked.findings[:kept], "left_out": left})
        text = markdown(report.model_copy(update={"checked": shorter}))
        if len(text.encode()) <= COMMENT or kept == 0:
            break
    # A mark of Baton in a quote would be taken for the comment's own.
    return text.replace("<!-- baton:", "<!--\u200b baton:").encode()[:COMMENT].decode(errors="ignore")


def _finding(one: Ranked) -> Iterator[str]:
    by = f", by {', '.join(code_span(name) for name in one.by)}" if one.by else ""
    rule = f" {code_span(one.rule)}" if one.rule else ""
    yield f"### {one.severity}: {escaped(one.what)}{rule}"
    yield ""
    yield f"{code_span(f'{one.file}:{one.line}')}, {one.confidence // 10} % sure{by}"
    yield ""
    yield from _fenced(one.quote, "")
    for text in (one.why, one.suggestion):
        if text:
            yield escaped(text)
            yield ""
    if one.patch:
        yield "A patch that applies:"
        yield ""
        yield from _fenced(one.patch.rstrip("\n"), "diff")


def _section(title: str, rows: Iterator[str]) -> Iterator[str]:
    listed = [f"- {row}" for row in rows]
    if listed:
        yield from (f"### {title}", "", *listed[:SHOWN], "")


def _unproven(one: Unproven) -> str:
    return f"{code_span(one.finding.file)}: {escaped(one.finding.what)} ({escaped(one.reason)})"


def _apart(one: Disagreement) -> str:
    sides = "; ".join(f"{code_span(side.by)} says {side.severity or 'nothing'}: {escaped(side.what)}" for side in one.sides)
    return f"{code_span(f'{one.file}:{one.line}')}, about {one.about}: {sides}"


def escaped(text: str, limit: int = 600) -> str:
    """The text on one line of Markdown, in which nothing becomes a link, a mention or markup."""
    # Every special character: a `@name` in a quoted comment would call somebody, and an image would load from elsewhere.
    shown = _SPECIAL.sub(r"\\\1", one_line(text, limit))
    return _CALLS.sub("\\g<0>\u200b", shown)


def code_span(text: str) -> str:
    """The text as code within a line of Markdown."""
    return f"`{one_line(text, 300).replace('`', chr(39))}`"


def _fenced(text: str, language: str) -> Iterator[str]:
    longest = max((len(run[0]) for run in re.finditer(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{language}", *visible(text).split("\n"), fence, "")


def sarif(report: ReviewReport) -> str:
    """The report as one SARIF log with one run. What is unproven is not in it."""
    results = [_result(one) for one in report.checked.findings]
    rules = {one["ruleId"]: one for one in results}
    driver = {"name": "Baton", "rules": [_rule(name, rules[name]) for name in sorted(rules)]}
    notes = [*report.degraded, *report.missing, *report.checked.not_looked_at, *map(_plain_apart, report.checked.disagreements)]
    told = [{"level": "note", "message": {"text": one_line(text, 1000)}} for text in notes]
    invocation = {"executionSuccessful": report.state == "done", "toolExecutionNotifications": told}
    run: dict[str, Any] = {"tool": {"driver": driver}, "results": results, "invocations": [invocation]}
    run |= {"columnKind": "unicodeCodePoints", "automationDetails": {"id": f"baton/{quote(report.run)}"}}
    run["properties"] = {"degraded": bool(report.degraded), "scripted": report.scripted, "left_out": report.checked.left_out}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _plain_apart(one: Disagreement) -> str:
    sides = "; ".join(f"{side.by}: {side.severity or 'does not report it'}: {side.what}" for side in one.sides)
    return f"reviewers disagree at {one.file}:{one.line} about {one.about}: {sides}"


def _rule(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    score = {"security-severity": result["properties"]["security-severity"]}
    return {"id": name, "shortDescription": {"text": result["message"]["text"].split("\n")[0]}, "properties": score}


def _result(one: Ranked) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": quote(one.file)}, "region": {"startLine": one.line, "snippet": {"text": one.quote}}}
    text = "\n".join(part for part in (one.what, one.why, one.suggestion) if part)
    # Without the line: code that is moved is not a new finding.
    mark = sha256("\0".join((one.file, one.rule, one.quote.strip())).encode())
    more = {
        "confidence": one.confidence,
        "severity": one.severity,
        "by": list(one.by),
        "security-severity": SCORE[one.severity],
    }
    return {
        "ruleId": one.rule or f"baton/{(one.by or ('review',))[0].split(' ')[0]}",
        "level": LEVEL[one.severity],
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"baton/v1": mark},
        "properties": more,
        **({"fixes": [_fix(one)]} if one.patch else {}),
    }


def _fix(one: Ranked) -> dict[str, Any]:
    replacements: list[dict[str, Any]] = []
    for line in one.patch.split("\n"):
        if hunk := _HUNK.match(line):
            start, count = int(hunk[1]), int(hunk[2] or 1)
            # An empty region stands before its line: for a hunk without old lines that is the one after.
            end = {"endLine": start + count, "endColumn": 1} if count else {"endColumn": 1}
            region = {"startLine": start if count else start + 1, "startColumn": 1, **end}
            replacements.append({"deletedRegion": region, "insertedContent": {"text": ""}})
        elif replacements and line[:1] in ("+", " "):
            replacements[-1]["insertedContent"]["text"] += f"{line[1:]}\n"
    change = {"artifactLocation": {"uri": quote(one.file)}, "replacements": replacements}
    return {"description": {"text": one_line(one.suggestion or one.what, 300)}, "artifactChanges": [change]}


FORMS: Mapping[str, Callable[[ReviewReport], str]] = {"markdown": markdown, "sarif": sarif}
"""What `baton result --as` knows of a review."""
