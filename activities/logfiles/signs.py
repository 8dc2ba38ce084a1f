"""What logs show by themselves: clusters of errors, the first one, and when their share changed. Pure."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.logfiles.causes import WEIGHT, cause_of
from activities.logfiles.drain import Cluster, Tree
from activities.logfiles.records import Record
from contracts.diagnosis_parts import Quoted, Sign, Signs
from contracts.text import bare

MOST = 12
"""Most clusters that are told."""

BUCKETS = 60
"""Parts of the time between the first and the last record, in which errors are counted."""

QUOTE = 300

_SEVERITY = {"warning": 1, "error": 4, "fatal": 8}


@dataclass
class Looking:
    """What is kept of a service's records while they pass: counts, templates, and one time for each record."""

    tree: Tree = field(default_factory=Tree)
    times: list[tuple[float, bool]] = field(default_factory=list)
    counted: int = 0
    errors: int = 0
    warnings: int = 0
    undated: int = 0
    first: Record | None = None

    def take(self, found: Iterable[Record]) -> None:
        """Count the records of one file."""
        for record in found:
            bad = record.bad
            self.counted += 1
            self.errors += bad
            self.warnings += record.level == "warning"
            if record.at is None:
                self.undated += 1
            else:
                self.times.append((record.at.timestamp(), bad))
            if bad or record.level == "warning":
                self.tree.add(record)
            if bad and self._is_earlier(record):
                self.first = record

    def _is_earlier(self, record: Record) -> bool:
        if self.first is None:
            return True
        return record.at is not None and (self.first.at is None or record.at < self.first.at)

    def seen(self) -> Signs:
        """All of it, most telling cluster first."""
        clusters = heapq.nsmallest(MOST, self.tree.clusters, key=_rank)
        changed, before, after = change(self.times)
        first = self.first
        return Signs(
            records=self.counted,
            errors=self.errors,
            warnings=self.warnings,
            undated=self.undated,
            signs=tuple(_sign(one) for one in clusters),
            first_error=None if first is None else quoted(first),
            first_at=None if first is None else first.at,
            changed_at=changed,
            before=before,
            after=after,
            left_out=len(self.tree.clusters) - len(clusters) + self.tree.beyond,
        )


def _sign(one: Cluster) -> Sign:
    return Sign(
        template=one.template[:QUOTE],
        level=one.first.level,
        count=one.count,
        first=one.first.at,
        last=one.last.at,
        example=quoted(one.first),
    )


def quoted(record: Record) -> Quoted:
    """The line of a record that says most: of a stack trace its exception, otherwise the first."""
    # Of parts without a record the last: what changed, changed with the record after it.
    best = max(range(len(record.lines)), key=lambda at: (WEIGHT[cause_of(record.lines[at]).meaning] > 1, at == 0))
    if best == 0 and len(record.lines) > 1 and record.lines[0].startswith("Traceback"):
        best = len(record.lines) - 1
    said = record.lines[best].strip()[:QUOTE]
    return Quoted(file=record.file, line=record.line + best, quote=said or "(blank)")


def change(times: Sequence[tuple[float, bool]]) -> tuple[datetime | None, int, int]:
    """When the share of errors changed most, and the share before and from then on, in thousandths. None: it did not."""
    if len(times) < 4:
        return None, 0, 0
    start, end = min(at for at, _ in times), max(at for at, _ in times)
    width = (end - start) / BUCKETS or 1.0
    whole, bad = [0] * (BUCKETS + 1), [0] * (BUCKETS + 1)
    for at, is_bad in times:
        bucket = int((at - start) / width)
        whole[bucket] += 1
        bad[bucket] += is_bad
    best = max(range(1, BUCKETS + 1), key=lambda at: (_apart(whole, bad, at), at))
    before, after = _share(bad[:best], whole[:best]), _share(bad[best:], whole[best:])
    if abs(after - before) < 50:
        return None, before, after
    return datetime.fromtimestamp(start + best * width, UTC), before, after


def _apart(whole: list[int], bad: list[int], at: int) -> float:
    # Weighed by how much stands on both sides: one error in the last part is no change.
    left, right = sum(whole[:at]), sum(whole[at:])
    if not left or not right:
        return -1.0
    weight: float = (left * right) ** 0.25
    return abs(sum(bad[at:]) / right - sum(bad[:at]) / left) * weight


def _share(bad: list[int], whole: list[int]) -> int:
    return round(1000 * sum(bad) / sum(whole)) if sum(whole) else 0


def _rank(one: Cluster) -> tuple[float, float]:
    text = "\n".join(one.first.lines[:40])
    weight = WEIGHT[cause_of(bare(text)).meaning] * _SEVERITY.get(one.first.level, 1)
    # Counts matter less the larger they are: 5,000 lines about a consequence come from one cause.
    return -weight * (1 + one.count) ** 0.25, one.first.at.timestamp() if one.first.at else float(one.first.line)
