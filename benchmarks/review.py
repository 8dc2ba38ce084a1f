"""A review without a model on published defects: how many it tells (recall), and how much of what it says is one."""

import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Say, table
from contracts.findings import SEVERITIES, Severity, Suggested
from tests.activities.scanning.scanned import Scanned, scan

LIST = Path(__file__).parents[1] / "evals" / "review" / "defects.toml"
HELD_OUT = LIST.with_name("held_out.toml")
"""Further defects, of other packages, that no rule was chosen or changed by. They are measured, and never tuned to."""

DOWNLOADED = Path(__file__).parent / "results" / "review"

NEAR = 2
"""Lines between a finding and a defect up to which it is about it: a statement has several."""

HINTS = ("untested", "large", "silenced")
"""Rules that tell no defect, wherever they stand."""

PATIENCE = 300.0


@dataclass(frozen=True)
class Case:
    """One entry of the list, which says what the fields mean."""

    name: str
    fixed: str
    fixed_sha256: str
    before: str
    before_sha256: str
    id: str
    file: str
    quote: str
    what: str

    @property
    def label(self) -> str:
        """Package, release and defect."""
        return f"{self.name} {self.before} {self.id}"


@dataclass(frozen=True)
class Score:
    """What came of one case: whether the defect was told, how badly, and how much was said in all."""

    case: Case
    told: str
    by: tuple[str, ...]
    findings: int
    """Findings of at least medium severity; `right` of them are about the defect."""
    right: int


Fetch = Callable[[str, str, str], Path]
"""The wheel of a package's release, by its SHA-256."""


def listed(path: Path = LIST) -> tuple[Case, ...]:
    """The cases of the list."""
    return tuple(Case(**row) for row in tomllib.loads(path.read_text())["case"])


async def run(say: Say, cases: Sequence[Case] | None = None, fetch: Fetch | None = None) -> dict[str, Any]:
    """Review each case and print the table. `cases` None: the list; `fetch` None: from the registry, by pip."""
    scores: list[Score] = []
    for case in listed() if cases is None else cases:
        scores.append(await scored(case, fetch or download))
        say(f"{case.label}: {scores[-1].told or 'not told'}, {scores[-1].findings} findings of medium or worse")
    figures = figures_of(scores)
    say(rendered(scores, figures))
    return {"scores": [asdict(one) for one in scores], **figures}


async def scored(case: Case, fetch: Fetch) -> Score:
    """Have both scans look at one case."""
    fixed = fetch(case.name, case.fixed, case.fixed_sha256)
    before = fetch(case.name, case.before, case.before_sha256)
    with tempfile.TemporaryDirectory(prefix="baton-review-") as place:
        good, bad = unpacked(fixed), unpacked(before)
        found = await scan(Path(place), good, {**dict.fromkeys(good, None), **bad})
    lines = [number for number, line in enumerate(bad[case.file].decode().split("\n"), 1) if case.quote in line]
    return score(case, found, lines)


def score(case: Case, found: Scanned, lines: Sequence[int]) -> Score:
    """Judge what was found by where the defect stands."""
    every = (*found.bugs.findings, *found.holes.findings)
    about = [one for one in every if one.file == case.file and one.rule not in HINTS]
    right = [one for one in about if any(abs(one.line - line) <= NEAR for line in lines)]
    worst: Severity | None = min((one.severity for one in right), key=SEVERITIES.index, default=None)
    heavy = [one for one in every if _is_heavy(one)]
    rules = tuple(sorted({one.rule for one in right}))
    return Score(case, worst or "", rules, len(heavy), sum(_is_heavy(one) for one in right))


def _is_heavy(one: Suggested) -> bool:
    return one.severity != "low"


def figures_of(scores: Sequence[Score]) -> Mapping[str, Any]:
    """Recall over all defects, and precision over findings of medium severity or worse, in thousandths.

    A finding that is about no defect of the list counts as wrong, though it may be right: precision is a lower bound.
    """
    told, findings, right = (
        sum(bool(one.told) for one in scores),
        sum(o.findings for o in scores),
        sum(o.right for o in scores),
    )
    precision = 1000 * right // findings if findings else 1000
    return {"cases": len(scores), "told": told, "recall": 1000 * told // max(len(scores), 1), "precision": precision}


def rendered(scores: Sequence[Score], figures: Mapping[str, Any]) -> str:
    """The table, and both figures below it."""
    rows = [("defect", "told as", "by", "medium or worse", "of them right")]
    rows += [(one.case.label, one.told or "-", " ".join(one.by), str(one.findings), str(one.right)) for one in scores]
    said = f"{figures['told']} of {figures['cases']} defects told: recall {figures['recall'] / 10:.1f} %, "
    counted = f"Findings of medium severity or worse are counted, and the hints {', '.join(HINTS)} tell no defect."
    return f"{table(rows)}\n\n{said}precision at least {figures['precision'] / 10:.1f} %\n{counted}"


def unpacked(wheel: Path) -> dict[str, bytes]:
    """The Python files of a wheel, by their paths. Nothing of it is installed or run."""
    with zipfile.ZipFile(wheel) as inside:
        names = [one for one in inside.namelist() if one.endswith(".py") and ".dist-info/" not in one]
        return {name: inside.read(name) for name in names}


def download(name: str, version: str, sha256: str) -> Path:
    """The wheel from the registry, as pip is set up, kept for the next time. pip refuses one with another hash."""
    folder = DOWNLOADED / f"{name}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("*.whl")):
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        command = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        options = ("--only-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", str(wanted))
        subprocess.run([*command, *options], check=True, timeout=PATIENCE)
    return next(folder.glob("*.whl"))
