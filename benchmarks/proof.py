"""What the proof of a green check costs: referee, own tests and sabotage, in seconds beside the plain check."""

import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from activities.git import Mirrors
from activities.repositories.checks import as_contract
from activities.repositories.sides import Sides, sides
from activities.repositories.trial import SabotageLimits, Trial
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox
from benchmarks.report import Say, ratios, spread, table
from contracts.base import ArtifactRef, sha256
from tests.repositories import plain, repository

PARTS = ("plain", "referee", "own", "sabotage")
"""What is timed; `plain` is the check on the change, which every delivery runs, and the baseline."""


@dataclass(frozen=True)
class Sizes:
    """How many rounds, and how many tests and files the repository has beside those that matter."""

    rounds: int = 5
    files: int = 200
    tests: int = 100


@dataclass(frozen=True)
class Case:
    """A change of some kind, and the check that judges it."""

    name: str
    command: str
    base: Mapping[str, str]
    change: Mapping[str, str]


def cases(sizes: Sizes) -> tuple[Case, ...]:
    """One place, one place with a new test, twelve places, and one place of JavaScript."""
    more = {f"shop/part{at}.py": f"def part():\n    return {at}\n" for at in range(sizes.files)}
    test = "from shop.part0 import part\n\n\n" + "".join(
        f"def test_{at}():\n    assert part() >= 0\n\n\n" for at in range(sizes.tests)
    )
    python = {"shop/__init__.py": "", "tests/test_parts.py": test, **more}
    one = {"shop/part0.py": "def part():\n    return 1\n"}
    own = {"tests/test_new.py": "from shop.part0 import part\n\n\ndef test_new():\n    assert part() == 1\n"}
    names = [f"f{at}" for at in range(12)]
    twelve = "".join(f"def {name}():\n    return {{}}\n\n\n" for name in names)
    uses = "import shop.many\n\n\ndef test_many():\n    assert [getattr(shop.many, f'f{at}')() for at in range(12)]\n"
    many = {"shop/many.py": twelve.format(*[0] * 12), "tests/test_many.py": uses}
    node = {"half.js": "exports.half = (cents) => cents / 2\n", "half.test.js": _NODE}
    return (
        Case("one place", "pytest -q", python, one),
        Case("one place and a new test", "pytest -q", python, one | own),
        Case("twelve places", "pytest -q", python | many, {"shop/many.py": twelve.format(*[1] * 12)}),
        Case("one place of JavaScript", "node --test", node, {"half.js": "exports.half = (cents) => cents * 0.5\n"}),
    )


_NODE = """\
const test = require('node:test')
const assert = require('node:assert')
const { half } = require('./half.js')

test('half', () => assert.strictEqual(half(2), 1))
"""


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Judge each change once per round, print the table and return the seconds of each part."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="baton-bench-proof-") as folder:
        tried = [(case, *_prepared(Path(folder) / str(at), case)) for at, case in enumerate(cases(sizes))]
        for number in range(sizes.rounds):
            for case, trial, looked in tried:
                found.setdefault(case.name, []).append(await _timed(trial, looked))
            say(f"round {number + 1} of {sizes.rounds}: {len(tried)} changes were judged")
    say(_rendered(found))
    return {"sizes": asdict(sizes), "rounds": found}


def _prepared(folder: Path, case: Case) -> tuple[Trial, Sides]:
    """The repository with base and change, as the activity `prove` looks at it."""
    source = repository(folder / "source", {name: text.encode() for name, text in case.base.items()})
    mirrors = Mirrors(folder / "mirrors")
    mirror = mirrors.open(str(source))
    base = mirror.fetch("main").tree
    for name, text in case.change.items():
        (source / name).write_text(text)
    plain(source, "add", "--all", "--force")
    plain(source, "commit", "--quiet", "-m", "change")
    tree = mirror.fetch("main").tree
    trial = Trial(Sandbox.find(), Workspaces(folder / "workspaces", mirrors), mirror, case.command, None)
    return trial, sides(mirror, base, tree, case.command)


async def _timed(trial: Trial, looked: Sides) -> dict[str, float]:
    """The seconds of each part, 0 where there is nothing to run it for, and how many places were made to raise."""
    began = time.monotonic()
    ran = await trial.run(looked.tree)
    seconds = {"plain": time.monotonic() - began, "referee": 0.0, "own": 0.0}
    change = as_contract(ran, looked.tree, ArtifactRef(digest=sha256(ran.output), size=len(ran.output)))
    if looked.judging:
        seconds["referee"] = await _seconds(lambda: trial.run(looked.with_referee()))
    if looked.tests:
        seconds["own"] = await _seconds(lambda: trial.run(looked.with_own_tests()))
    began = time.monotonic()
    done = await trial.sabotaged(looked.tree, change, looked.regions(), SabotageLimits())
    return seconds | {"sabotage": time.monotonic() - began, "places": len(done.tried)}


async def _seconds(act: Callable[[], Awaitable[object]]) -> float:
    began = time.monotonic()
    await act()
    return time.monotonic() - began


def _rendered(found: Mapping[str, list[dict[str, float]]]) -> str:
    rows = [["change", "places", *(f"{part}, s" for part in PARTS), "all further runs over plain"]]
    for name, rounds in found.items():
        further = [sum(one[part] for part in PARTS[1:]) for one in rounds]
        times = [spread(one[part] for one in rounds) if any(one[part] for one in rounds) else "-" for part in PARTS]
        rows.append(
            [
                name,
                spread((one["places"] for one in rounds), 0),
                *times,
                spread(ratios(further, [one["plain"] for one in rounds]), 1),
            ]
        )
    return table(rows)
