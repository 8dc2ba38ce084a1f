"""How deep tests go: few of each kind in `make test`, all in `make soak`, and no kind left out of either."""

import os
import subprocess
import sys

import pytest

from tests import depth, lanes
from tests.lanes import ROOT

SHOWN = "from tests.depth import *; print(count(2, soak=900), soak('x', 'y'), of_each_kind('abABc', str.lower))"


@pytest.mark.parametrize(
    ("value", "shown"), [("", "2 () ('a', 'b', 'c')"), ("soak", "900 ('x', 'y') ('a', 'b', 'A', 'B', 'c')")]
)
def test_each_kind_is_in_both_and_the_rest_in_soak(value: str, shown: str) -> None:
    """Counts, cases and kinds are those of the depth that the process was started with."""
    variables = {**os.environ, depth.VARIABLE: value}
    done = subprocess.run([sys.executable, "-c", SHOWN], cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == shown


def test_soak_reaches_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--soak` is not pytest's: what it is handed is the rest, and it inherits the depth."""
    handed: list[tuple[list[str], str]] = []
    monkeypatch.setenv(depth.VARIABLE, "")
    monkeypatch.setattr(os, "execv", lambda _program, asked: handed.append((asked, os.environ[depth.VARIABLE])))
    monkeypatch.setattr(lanes, "run", lambda *_: 0)
    lanes.main(["--soak", "tests/wire", "-x"])
    lanes.main(["tests/wire", "-x"])
    asked = [sys.executable, "-m", "pytest", "tests/wire", "-x"]
    assert handed[0] == (asked, "soak")
    assert handed[1][0] == asked
