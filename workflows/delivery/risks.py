"""What a delivery's change is, for the risk of pushing it: size, files that run by themselves, what the checks prove. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.delivery.change import Frozen
from contracts.delivery.testing import TestReport
from contracts.outside import as_taint
from contracts.repositories import RiskKind
from contracts.risk import HIGH, MEDIUM, Circumstances, Sign
from contracts.risky_paths import LEVELS, WHY, risks_of
from workflows.delivery.name_facts import name_risks
from workflows.delivery.proof_facts import proof_risks


@dataclass(frozen=True)
class Size:
    """The size of a change over all its files."""

    files: int
    added: int
    removed: int
    binary: int
    risks: Mapping[RiskKind, tuple[str, ...]]


def size_of(frozen: Frozen) -> Size:
    """Computed from the counts if not every file is listed, else from the files."""
    counts, files = frozen.counts, frozen.files
    if counts is not None:
        return Size(counts.files, counts.added, counts.removed, counts.binary, {one.kind: one.paths for one in counts.risks})
    return Size(
        files=len(files),
        added=sum(one.added or 0 for one in files),
        removed=sum(one.removed or 0 for one in files),
        binary=sum(one.added is None for one in files),
        risks=risks_of(one.path for one in files),
    )


def circumstances_of(
    frozen: Frozen,
    report: TestReport,
    kept_outside: tuple[str, ...],
    degraded: Mapping[str, str],
    doubts: Mapping[str, str],
    reversible: str = "yes",
    unsupported: int = 0,
    taint: tuple[str, ...] = (),
) -> Circumstances:
    """What the risk of pushing this change is computed from. Facts alone: the model wrote the change.

    `degraded` and `doubts` as at the change gate; `reversible` as policy has it for a push; `unsupported` claims of the agents,
    `taint` the sources that they have read beside the repository.
    """
    size = size_of(frozen)
    return Circumstances(
        reversible=reversible,
        undo="a pushed branch can be deleted" if reversible == "yes" else "",
        taint=as_taint(("repo", *taint)),
        source="the change was written by agents that read the repository",
        lines=size.added + size.removed,
        binary=size.binary,
        unsupported=unsupported,
        degraded=tuple(degraded),
        unsure=tuple(doubts),
        signs=(*_shown(frozen, report), *_touched(frozen, size, kept_outside)),
    )


def _shown(frozen: Frozen, report: TestReport) -> list[Sign]:
    """What the checks showed, and what the names of files do."""
    found = [] if report.verdict == "passed" else [Sign(level=HIGH, why=f"tests: {report.verdict}")]
    for level, said in (proof_risks(report), name_risks(frozen)):
        found += [Sign(level=level, why=why) for why in said]
    return found


def _touched(frozen: Frozen, size: Size, kept_outside: tuple[str, ...]) -> list[Sign]:
    found = [Sign(level=LEVELS[kind], why=f"{WHY[kind]}: {', '.join(paths)}") for kind, paths in size.risks.items()]
    if kept_outside:
        found.append(Sign(level=MEDIUM, why="files outside the plan were changed"))
    if frozen.blocked:
        found.append(Sign(level=HIGH, why="the target cannot take the branch as it is now"))
    if frozen.forms:
        found.append(Sign(level=MEDIUM, why="it changes what a diff shows badly: see the facts"))
    return found
