"""What benchmarks say of themselves, and how they compare."""

import pytest

from benchmarks import report
from benchmarks.__main__ import ABOUT, main


def test_the_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """`make bench` without a name says what there is and how to run it."""
    main([])
    said = capsys.readouterr().out
    assert all(f"make bench NAME={name}" in said for name in ABOUT)


def test_only_what_ran_side_by_side_is_compared() -> None:
    """Ratios are made round by round, so that a slow minute hits both sides."""
    assert report.ratios([2.0, 30.0], [1.0, 10.0]) == [2.0, 3.0]
