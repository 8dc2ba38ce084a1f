"""How deep tests go: few of each kind in `make test`, all in `make soak`, and no kind left out of either."""

import ast
import os
import subprocess
import sys
from pathlib import Path

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


def test_what_is_deep_is_run_in_soak_and_by_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane leaves it out, and its soak does not."""
    file = tmp_path / "test_two.py"
    file.write_text("import pytest\n\n\ndef test_one(): ...\n\n\n@pytest.mark.deep('x')\ndef test_other(): ...\n")
    said = list[str]()
    for value in ("", "soak"):
        monkeypatch.setenv(depth.VARIABLE, value)
        assert lanes.run({"two": ("-c", os.devnull, "--rootdir", str(tmp_path), "-W", "ignore", str(file))}, said.append) == 0
    assert [line.split("  ")[-1].partition(" in ")[0] for line in said if line.startswith("two ")] == [
        "1 passed, 1 deselected",
        "2 passed",
    ]


def test_what_is_deep_is_shown_by_a_test_of_the_suite() -> None:
    """Each names tests that are there and are not deep themselves: no promise is left to the soak alone."""
    deep, shown = dict[str, list[str]](), set[str]()
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                name = f"{file.relative_to(ROOT)}::{node.name}"
                marks = [
                    one for one in node.decorator_list if isinstance(one, ast.Call) and ast.unparse(one.func).endswith("deep")
                ]
                if marks:
                    deep[name] = [ast.literal_eval(one) for mark in marks for one in mark.args]
                else:
                    shown.add(name)
    assert {name: named for name, named in deep.items() if not named or set(named) - shown} == {}
