"""Findings of several reviewers put together: each fault once, worst first, with who found it, and where they differ. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from contracts.findings import SEVERITIES, Disagreement, Finding, Ranked, Side, Suggested

F = TypeVar("F", bound=Finding)

APART = 2
"""Steps of severity from which on two reviewers disagree about one fault."""

ALIKE = 0.5
"""Share of their words that two findings at one place have in common if they are about one fault."""

_WORD = re.compile(r"[^\W_]{2,}")
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? ", re.MULTILINE)
_SAME_RULE = re.compile(r"^[BS](?=\d{3}\Z)")
"""Bandit and ruff give a rule the same number."""


@dataclass
class Fault:
    """One fault, as everybody says who found it; the worst first."""

    said: list[tuple[str, Suggested]] = field(default_factory=list)

    @property
    def first(self) -> Suggested:
        """What the report shows."""
        return self.said[0][1]


def rank(one: Finding) -> tuple[int, int, str, int]:
    """Sorts findings: worst first, then surest, then by place."""
    return SEVERITIES.index(one.severity), -one.confidence, one.file, one.line


def ranked(findings: Iterable[Suggested]) -> list[Suggested]:
    """One reviewer's findings, worst first, each once."""
    return [fault.first for fault in faults(("", one) for one in findings)]


def faults(said: Iterable[tuple[str, Suggested]]) -> list[Fault]:
    """What several say, each fault once. They are sorted first, so that the order in which they were said does not count."""
    found: dict[str, list[Fault]] = {}
    every: list[Fault] = []
    for by, one in sorted(said, key=lambda pair: (*rank(pair[1]), pair[1].quote, pair[1].what, pair[0])):
        fault = next((fault for fault in found.get(one.file, ()) if _same(fault.first, one)), None)
        if fault is None:
            fault = Fault()
            found.setdefault(one.file, []).append(fault)
            every.append(fault)
        fault.said.append((by, one))
    return every


def as_ranked(fault: Fault) -> Ranked:
    """A fault as the report has it: the worst severity, the first patch, and everybody who found it."""
    first = fault.first
    patch = next((one.patch for _, one in fault.said if one.patch), "")
    by = tuple(dict.fromkeys(by for by, _ in fault.said if by))
    sure = max(one.confidence for _, one in fault.said)
    rule = next((one.rule for _, one in fault.said if one.rule), "")
    return Ranked(**first.model_dump(exclude={"patch", "rule", "confidence"}), confidence=sure, patch=patch, rule=rule, by=by)


def differing(found: Sequence[Fault]) -> list[Disagreement]:
    """Where two reviewers give one fault severities far apart, or mend the same lines differently."""
    return [*_severities(found), *_patches(found)]


def left_out(found: Sequence[Fault], kept: Sequence[Suggested]) -> Iterator[Fault]:
    """Faults that a reviewer calls critical or high, and that are not in a merged list."""
    for fault in found:
        if fault.first.severity in SEVERITIES[:2] and not any(
            one.file == fault.first.file and (_same(fault.first, one) or _touch(fault.first, one)) for one in kept
        ):
            yield fault


def dropped(fault: Fault, merged_by: str) -> Disagreement:
    """That the synthesiser has left out what a reviewer calls critical or high."""
    sides = (*(_side(by, one) for by, one in fault.said), Side(by=merged_by, severity=None, what="left out of the merged list"))
    return Disagreement(file=fault.first.file, line=fault.first.line, about="left_out", sides=sides)


def lowered(found: Sequence[Fault], kept: Sequence[Fault], merged_by: str) -> Iterator[Disagreement]:
    """Where the synthesiser calls a fault much less bad than a reviewer does."""
    for fault in found:
        same = next((one for one in kept if one.first.file == fault.first.file and _same(one.first, fault.first)), None)
        if same is not None and SEVERITIES.index(same.first.severity) - SEVERITIES.index(fault.first.severity) >= APART:
            sides = (*(_side(by, one) for by, one in fault.said), _side(merged_by, same.first))
            yield Disagreement(file=fault.first.file, line=fault.first.line, about="severity", sides=sides)


def _severities(found: Sequence[Fault]) -> Iterator[Disagreement]:
    for fault in found:
        by = dict(reversed(fault.said))
        steps = [SEVERITIES.index(one.severity) for one in by.values()]
        if len(by) > 1 and max(steps) - min(steps) >= APART:
            sides = tuple(_side(name, one) for name, one in sorted(by.items()))
            yield Disagreement(file=fault.first.file, line=fault.first.line, about="severity", sides=sides)


def _patches(found: Sequence[Fault]) -> Iterator[Disagreement]:
    mending = [(by, one, _span(one.patch)) for fault in found for by, one in fault.said if one.patch]
    for number, (by, one, span) in enumerate(mending):
        for other_by, other, other_span in mending[number + 1 :]:
            if by == other_by or one.file != other.file or one.patch == other.patch:
                continue
            if span[0] <= other_span[1] and other_span[0] <= span[1]:
                sides = (_side(by, one), _side(other_by, other))
                yield Disagreement(file=one.file, line=one.line, about="patch", sides=sides)


def _span(patch: str) -> tuple[int, int]:
    """The lines that a patch is about, from its hunks."""
    hunks = [(int(one[1]), int(one[1]) + int(one[2] or 1) - 1) for one in _HUNK.finditer(patch)]
    return (min(start for start, _ in hunks), max(end for _, end in hunks)) if hunks else (0, -1)


def _side(by: str, one: Suggested) -> Side:
    return Side(by=by, severity=one.severity, what=one.what, suggestion=one.suggestion)


def _same(one: Suggested, other: Suggested) -> bool:
    """True for one fault said twice: at lines that touch, by the same rule or in much the same words."""
    if not _touch(one, other):
        return False
    if one.rule and other.rule and _SAME_RULE.sub("", one.rule) == _SAME_RULE.sub("", other.rule):
        return one.line == other.line or one.quote == other.quote
    words, others = _words(one.what), _words(other.what)
    return words == others or len(words & others) >= ALIKE * len(words | others) > 0


def _touch(one: Finding, other: Finding) -> bool:
    return abs(one.line - other.line) <= max(one.quote.count("\n"), other.quote.count("\n"))


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text))


def as_suggested(one: Finding) -> Suggested:
    """A finding of an earlier version, which had neither a rule nor a patch."""
    return one if isinstance(one, Suggested) else Suggested(**one.model_dump(), rule="", patch="")


def moved(one: F, line: int) -> F:
    """The finding at the line where its quote was found."""
    return one.model_copy(update={"line": line})
