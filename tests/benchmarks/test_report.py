"""What benchmarks say of themselves, and how they compare."""

import re
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.__main__ import ABOUT, main
from tests.lanes import BENCHMARKS, ROOT


def test_the_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """`make bench` without a name says what there is and how to run it."""
    main([])
    said = capsys.readouterr().out
    assert all(f"make bench NAME={name}" in said for name in ABOUT)


def test_the_lane_runs_every_benchmark() -> None:
    """`make bench-smoke` is no part of the suite; that it leaves no benchmark out, and their types, are."""
    lane = "".join((ROOT / file).read_text() for file in BENCHMARKS)
    assert set(re.findall(r"await (\w+)\.run\(", lane)) == set(ABOUT)
    assert all((Path(report.__file__).parent / f"{name}.py").exists() for name in ABOUT)


def test_only_what_ran_side_by_side_is_compared() -> None:
    """Ratios are made round by round, so that a slow minute hits both sides."""
    assert report.ratios([2.0, 30.0], [1.0, 10.0]) == [2.0, 3.0]
