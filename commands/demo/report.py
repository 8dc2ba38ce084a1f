"""How the demo's run ended, line by line."""

from collections.abc import Iterator
from pathlib import Path

from contracts.delivery.run import DeliveryReport
from contracts.text import one_line


def report_lines(report: DeliveryReport, origin: Path, stamp: str) -> Iterator[str]:
    """The report for people. `origin` is the repository that was pushed to, `stamp` marks what a scripted model answered."""
    yield f"\nREPORT {report.run}: {report.state}{stamp}"
    if report.reason:
        yield f"  why       {one_line(report.reason, 500)}"
    yield f"  summary   {one_line(report.summary, 300)}"
    for change in report.files:
        yield f"  {change.status:<9} {one_line(change.path, 300)}  +{change.added} -{change.removed}"
    if report.tests is not None:
        yield f"  tests     {report.tests.verdict}: {one_line(report.tests.why, 500)}"
        yield f"  fixed     {one_line(', '.join(report.tests.fixed), 2000) or '-'}"
    yield f"  approved  {one_line(', '.join(report.approved_by), 500) or '-'}"
    yield f"  cost      ${report.usd_micros / 1_000_000:.4f}, {report.tokens} tokens{stamp}"
    if report.state == "done":
        yield f"  pushed    {report.commit[:12]} as {one_line(report.branch, 200)} to {origin}"
        yield f"  look      git --git-dir {origin} log --stat -1 {one_line(report.branch, 200)}"
