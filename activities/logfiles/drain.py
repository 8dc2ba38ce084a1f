"""Log lines that say the same but for what differs, put together: the fixed-depth tree of Drain. Pure.

The idea is that of P. He, J. Zhu, Z. Zheng and M. R. Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree"
(IEEE ICWS 2017): by number of words, then by the first words, then the most similar of few templates.
"""

import re
from dataclasses import dataclass, field
from operator import eq

from activities.logfiles.records import Record

DEPTH = 3
"""Words by which templates are told apart before they are compared."""

CHILDREN = 80
"""Most different words at one place of the tree; more count as one, so that a log of random words keeps it small."""

SIMILAR = 0.5
"""Share of equal words from which on a line belongs to a template."""

CLUSTERS = 2000
"""Most templates. Lines that fit none of so many are counted together."""

WORDS = 60
ANY = "<*>"

_MASKS = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), ANY),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), ANY),
    (re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{16,}\b", re.IGNORECASE), ANY),
    (re.compile(r"(?<![A-Za-z\d])[+-]?\d+(?:[.,:]\d+)*(?:ms|us|s|[kMG]i?B)?(?![A-Za-z\d])"), ANY),
    (re.compile(r"\d+"), ANY),
)


@dataclass
class Cluster:
    """A template, and the first record of it."""

    words: list[str]
    first: Record
    last: Record
    count: int = 1

    @property
    def template(self) -> str:
        """What its lines have in common."""
        return " ".join(self.words)


@dataclass
class _Node:
    below: dict[str, "_Node"] = field(default_factory=dict)
    clusters: list[Cluster] = field(default_factory=list)


class Tree:
    """Templates of the lines that were added, found in one pass."""

    def __init__(self) -> None:
        self._tops: dict[tuple[str, int], _Node] = {}
        self.clusters: list[Cluster] = []
        self.beyond = 0

    def add(self, record: Record) -> None:
        """Count a record to the template that it fits best, or make a new one of it. Records of other levels never mix."""
        words = _words(record.said)
        node = self._tops.setdefault((record.level, len(words)), _Node())
        for word in words[:DEPTH]:
            step = ANY if any(sign.isdigit() for sign in word) else word
            if step not in node.below and len(node.below) >= CHILDREN:
                step = ANY
            node = node.below.setdefault(step, _Node())
        best = max(node.clusters, key=lambda one: _likeness(one.words, words), default=None)
        if best is not None and _likeness(best.words, words) >= SIMILAR:
            best.words = [old if old == new else ANY for old, new in zip(best.words, words, strict=True)]
            best.count, best.last = best.count + 1, record
        elif len(self.clusters) < CLUSTERS:
            made = Cluster(words, record, record)
            node.clusters.append(made)
            self.clusters.append(made)
        else:
            self.beyond += 1


def _words(said: str) -> list[str]:
    masked = said[:2000]
    for pattern, instead in _MASKS:
        masked = pattern.sub(instead, masked)
    return masked.split()[:WORDS] or [ANY]


def _likeness(template: list[str], words: list[str]) -> float:
    """The share of the template's own words that stand at the same places of the line, which has as many words."""
    # A place that differs anyway says nothing for or against.
    if not (fixed := len(template) - template.count(ANY)):
        return 1.0
    same: int = sum(map(eq, template, words))
    if fixed < len(template):
        same -= sum(old == new == ANY for old, new in zip(template, words, strict=True))
    return same / fixed
