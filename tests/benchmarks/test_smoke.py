"""The benchmarks run from start to end with tiny sizes and leave their figures behind. No time is judged."""

import json
import tarfile
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import (
    children,
    diagnosis,
    edits,
    gates,
    growth,
    ledger,
    load,
    local,
    money,
    packages,
    parked,
    pipeline,
    proof,
    provenance,
    reads,
    recovery,
    report,
    review,
    road,
    startup,
    statements,
    sweep,
)
from benchmarks.year import Year

GROWTH = growth.Sizes(turns=(1, 2, 4), rounds=1)
GATES = gates.Sizes(runs=3)
LEDGER = ledger.Sizes(rounds=1, seconds=0.2)
PIPELINE = pipeline.Sizes(rounds=1, loads=((1, 0, 1), (3, 0, 3)))


async def _growth(say: report.Say) -> dict[str, Any]:
    return await growth.run(GROWTH, say)


async def _pipeline(say: report.Say) -> dict[str, Any]:
    return await pipeline.run(PIPELINE, say)


async def _gates(say: report.Say) -> dict[str, Any]:
    return await gates.run(GATES, say)


# The started processes are ended by their pid, and nobody keeps the object that Python would like to see waited for.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.parametrize("run", [_growth, _pipeline, _gates])
async def test_a_benchmark_runs_and_leaves_its_figures(
    run: Callable[[report.Say], Awaitable[dict[str, Any]]], tmp_path: Path
) -> None:
    """Server, model endpoint and both workers come up, every run ends, a table is printed and the JSON can be read back."""
    said: list[str] = []
    results = await run(said.append)
    written = json.loads(report.write(tmp_path, "smoke", results).read_text())
    assert written["benchmark"] == "smoke"
    assert "median" in said[-1] or "history" in said[-1]
    assert "plain" in said[-1]
    assert "ours" in said[-1]


# As above.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_money_is_measured_with_and_without_limits(tmp_path: Path) -> None:
    """Both workers start with their routes and ceilings, every run ends, and each figure stands beside that without limits."""
    said: list[str] = []
    results = await money.run(PIPELINE, said.append)
    assert json.loads(report.write(tmp_path, "smoke", results).read_text())["ratios"]["on"]["rps_1"][0] > 0
    assert "ratio to off" in said[-1]
    assert ">= 0.95" in said[-1]


# As above.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_parked_runs_are_raised_once(tmp_path: Path) -> None:
    """All runs park at the month's ceiling, one command lets them go on, and each ends as it should."""
    said: list[str] = []
    results = await parked.run(parked.Sizes(runs=3), said.append)
    (one,) = json.loads(report.write(tmp_path, "smoke", results).read_text())["rounds"]["nudged"]
    assert one["errors"] == 0
    assert 0 < one["first_s"] <= one["moved_s"] <= one["ended_s"]
    assert "s until no run waited any more" in said[-1]


# As above.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_children_are_counted_and_cancelled() -> None:
    """Directly and through a layer every child is done, costs its bytes, and hears of a cancellation."""
    said: list[str] = []
    results = await children.run(children.Sizes(children=(2, 101), limit=50), said.append)
    assert [one[0]["kb_each"] < children.AIM_KB for one in results["rounds"].values()] == [True, True]
    assert "KB of the parent's history" in said[-1]


async def test_services_are_diagnosed_both_ways(tmp_path: Path) -> None:
    """Every run is done, and the two ways stand beside each other with the share of the time."""
    said: list[str] = []
    results = await diagnosis.run(diagnosis.Sizes(rounds=1, thinks=0.1), said.append)
    assert len(json.loads(report.write(tmp_path, "smoke", results).read_text())["shares"]) == 1
    assert "share of the time" in said[-1]


async def test_the_parts_of_a_proof_are_timed(tmp_path: Path) -> None:
    """Each change is judged, has its parts beside the plain check, and as many places as it has."""
    said: list[str] = []
    results = await proof.run(proof.Sizes(rounds=1, files=2, tests=2), said.append)
    rounds = json.loads(report.write(tmp_path, "smoke", results).read_text())["rounds"]
    assert [one[0]["places"] for one in rounds.values()] == [1, 1, 12, 1]
    assert [one[0]["own"] > 0 for one in rounds.values()] == [False, True, False, False]
    assert "all further runs over plain" in said[-1]


async def test_a_sweep_is_timed(tmp_path: Path) -> None:
    """A run ends in each way in which Temporal can end it, and what was approved in it is delivered."""
    said: list[str] = []
    results = await sweep.run(sweep.Sizes(rounds=1, dead=False), said.append)
    rounds = json.loads(report.write(tmp_path, "smoke", results).read_text())["rounds"]
    assert [len(seconds) for seconds in rounds.values()] == [1, 1, 1]
    assert "seconds to its receipt" in said[-1]


async def test_recovery_is_timed(tmp_path: Path) -> None:
    """Workers are killed and asked to stop, and each way has its seconds beside what is aimed at."""
    said: list[str] = []
    results = await recovery.run(recovery.Sizes(rounds=1, kills=0), said.append)
    assert json.loads(report.write(tmp_path, "smoke", results).read_text())["rounds"].keys() <= recovery.AIMS.keys()
    assert len(results["rounds"]) == 3
    assert "killed while it records a decision" in said[-1]


# As above.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_rows_are_loaded_in_three_ways() -> None:
    """COPY, a whole load, and one whose worker is killed: each leaves every row once, and stands beside COPY."""
    said: list[str] = []
    results = await load.run(load.Sizes(rounds=1, rows=60_000), said.append)
    assert set(results["seconds"]) == {load.COPY, load.OURS, load.KILLED}
    assert "times COPY" in said[-1]


# As above.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_both_kinds_of_activity_are_measured() -> None:
    """A local step costs one event instead of six, and after a kill all steps of its task begin again, not the last alone."""
    said: list[str] = []
    results = await local.run(local.Sizes(loads=((0.005, 1, 1),)), said.append)
    ordinary, own = (one["rounds"][0] for one in results["figures"])
    assert (ordinary["events"] - own["events"], ordinary["repeated"], own["repeated"]) == (10, 1, 2)
    assert "an update waits s" in said[-1]


async def test_the_ledger_is_offered_a_rate(tmp_path: Path) -> None:
    """Both databases come up, every call is timed from when it was due, and each figure stands beside the driver's."""
    said: list[str] = []
    results = await ledger.run(LEDGER, said.append)
    assert json.loads(report.write(tmp_path, "smoke", results).read_text())["rates"] == ledger.RATES
    assert set(results["rounds"]) == {f"{name}, {who}" for name in ledger.RATES for who in ledger.ORDER}
    assert all(one["p95"] > 0 for rounds in results["rounds"].values() for one in rounds)
    assert "model call over the driver's" in said[-2]


# As above.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_starts_are_timed() -> None:
    """Each command and each import ends well and has its CPU; both workers poll before they have a result."""
    said: list[str] = []
    results = await startup.run(startup.Sizes(rounds=1, runs=3), said.append)
    assert len(results["cpu_ms"]) == len(startup.IMPORTS) + len(startup.COMMANDS)
    assert all(one > 0 for found in results["cpu_ms"].values() for one in found)
    assert {"plain", "ours"} == set(results["workers"])
    for found in results["workers"].values():
        assert 0 < found[0]["ready_s"] < found[0]["first_s"]
        assert 0 < found[0]["ready_cpu_s"] <= found[0]["first_cpu_s"]
    assert "ratio to import sqlalchemy" in said[-1]


async def test_statements_are_counted_and_commits_shared() -> None:
    """Every stage of a run has its statements, and many callers take fewer commits each than one."""
    said: list[str] = []
    results = await statements.run(statements.Sizes(calls=40), said.append)
    assert list(results["statements"]) == ["begin", "plan", "write", "test", "summarize"]
    assert all(results["statements"].values())
    assert results["loads"][50]["commits"] < results["loads"][1]["commits"]
    assert "commits/call" in "".join(said)


async def test_a_call_is_priced_in_every_way(tmp_path: Path) -> None:
    """Each way, up to the whole activity, asks in both formats, whole and streamed; those that need aiohttp may be missing."""
    said: list[str] = []
    results = await road.run(road.Sizes(rounds=1, calls=4, at_once=2, gap=0.0), said.append)
    rounds = json.loads(report.write(tmp_path, "smoke", results).read_text())["rounds"]
    assert {"floor", "httpx2", "SDK", "ours", "activity"} <= set(rounds)
    assert all(len(one) == 4 and min(one.values()) >= 0 for (one,) in rounds.values())
    assert "ratio to SDK" in said[-1]


async def test_provenance_is_asked_on_many_runs() -> None:
    """Every question finds what it asks for among the generated runs, and each has its milliseconds."""
    said: list[str] = []
    results = await provenance.run(provenance.Sizes(runs=60, asked=2), said.append)
    assert len(results["milliseconds"]) == 5
    assert all(one["p95"] > 0 for one in results["milliseconds"].values())


async def test_what_people_read_is_timed_on_a_ledger_of_a_year() -> None:
    """Every page is answered and every read made, also with gates that wait; each has its milliseconds."""
    said: list[str] = []
    small = reads.Sizes(Year(runs=30, lines=10, waiting=5), asked=2, both=False, seconds=0.1)
    results = await reads.run(small, said.append)
    found = results["sqlite"]["milliseconds"]
    assert {name for name, _ in reads.paths(small.year)} < set(found)
    assert all(one["p95"] > 0 for one in found.values())


async def test_edits_are_made_in_two_sizes() -> None:
    """Every edit is made in both repositories, and each has its seconds."""
    said: list[str] = []
    results = await edits.run(edits.Sizes(small=5, large=120, edits=2), said.append)
    assert [len(one) for one in results["edits"]] == [2, 2]
    assert "over the small one" in said[-1]


async def test_packages_are_asked_for_their_checks(tmp_path: Path) -> None:
    """One that proves itself, one that says what is missing, one without a check, one that is not to be had; none is hidden."""
    files = {
        "fine": {"test_a.py": "def test_a(): pass\n"},
        "missing": {"Makefile": "test:\n\tnothere --all\n"},
        "silent": {"README": "x"},
    }
    for name, inside in files.items():
        (tmp_path / name).mkdir()
        for path, text in inside.items():
            (tmp_path / name / path).write_text(text)
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / name, name)

    def fetch(package: packages.Package, _: Path) -> Path:
        if package.name not in files:
            raise ValueError("another hash")
        return tmp_path / f"{package.name}.tar.gz"

    asked = [packages.Package("pypi", name, "1", "flat", "0" * 64) for name in (*files, "lost")]
    said: list[str] = []
    results = await packages.run(said.append, asked, fetch)
    assert [row["end"] for row in results["rows"]] == ["alone", "stuck", "no check", "not fetched"]
    assert "meaningful verdicts: 1 alone, 0 more after `baton prepare`, of 4; 2 of the rest say how to mend it" in said[-1]
    assert "nothere is not in the sandbox" in said[-1]


def test_the_packages_are_pinned() -> None:
    """Thirty, each once, of several registries, and every one by the hash of its file."""
    found = packages.listed()
    assert len({(one.registry, one.name) for one in found}) == len(found) == 30
    assert {one.registry for one in found} == {"pypi", "npm", "debian"}
    assert all(len(one.sha256) == 64 and one.layout for one in found)


def wheel(place: Path, name: str, files: dict[str, str]) -> Path:
    """A wheel with these files."""
    path = place / f"{name}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(inside, text)
    return path


async def test_a_review_is_judged_by_where_the_defect_stands(tmp_path: Path) -> None:
    """One that is told and one that is not; a finding about something else counts against precision."""
    fixed = wheel(tmp_path, "fixed", {"a.py": "def f(x):\n    return int(x)\n", "b.py": "y = 1\n"})
    before = wheel(tmp_path, "before", {"a.py": "def f(x):\n    return eval(x)\n", "b.py": "def g(x=[]):\n    return x\n"})

    def fetch(name: str, version: str, _: str) -> Path:
        return fixed if version == "2" else before

    known = {"name": "a", "fixed": "2", "fixed_sha256": "0" * 64, "before": "1", "before_sha256": "0" * 64, "what": "x"}
    told = review.Case(id="CVE-1", file="a.py", quote="return eval(x)", **known)
    missed = review.Case(id="CVE-2", file="b.py", quote="no such line", **known)
    said: list[str] = []
    results = await review.run(said.append, (told, missed), fetch)
    assert [(row["told"], row["by"], row["findings"], row["right"]) for row in results["scores"]] == [
        ("medium", ("S307",), 2, 1),
        ("", (), 2, 0),
    ]
    assert (results["recall"], results["precision"]) == (500, 250)
    assert "1 of 2 defects told: recall 50.0 %, precision at least 25.0 %" in said[-1]


def test_the_defects_are_pinned() -> None:
    """Thirty or more published ones, each once, and both releases of each by their hashes."""
    found = review.listed()
    assert len({(one.name, one.id) for one in found}) == len(found) >= 30
    assert all(len(digest) == 64 for one in found for digest in (one.fixed_sha256, one.before_sha256))
    assert all(one.fixed != one.before and one.file.endswith(".py") and one.quote for one in found)
