"""The list of changes that tests have to notice is up to date, and its runner tells what was noticed from what was not."""

import ast
import contextlib
import functools
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import children
from tests.mutants.__main__ import main
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant, Stale
from tests.mutants.runner import ROOT, run


@functools.cache
def parsed(file: str) -> ast.Module:
    """Today's code of a file, of which many changes are listed and which many tests are in."""
    return ast.parse((ROOT / file).read_text())


def around(tree: ast.Module, line: int) -> str:
    """What the line stands in, at the top level of its file, without its layout and comments."""
    return next((ast.dump(node) for node in tree.body if (node.end_lineno or node.lineno) >= line), "")


def test_changes_apply_to_todays_code() -> None:
    """Each line is there exactly once, one line changes, and what comes out is Python: none of them is caught by a slip."""
    for mutant in MUTANTS:
        before, after = (ROOT / mutant.file).read_text().splitlines(), mutant.text(ROOT)
        changed = [at for at, lines in enumerate(zip(before, after.splitlines(), strict=True), 1) if len(set(lines)) > 1]
        assert len(changed) == 1, mutant.name
        assert around(ast.parse(after), changed[0]) != around(parsed(mutant.file), changed[0]), mutant.name
        assert not mutant.file.startswith("tests/"), mutant.name


def test_the_tests_that_have_to_notice_are_there() -> None:
    """A test that was renamed or taken away notices nothing."""
    for mutant in MUTANTS:
        assert mutant.tests, mutant.name
        for test in mutant.tests:
            file, _, name = test.partition("::")
            there = {node.name for node in parsed(file).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert {one for one in there if one.startswith("test_")} if not name else name in there, (mutant.name, test)


def test_each_change_has_a_name_and_a_promise_of_its_own() -> None:
    """Changes are called by name; and two that break one promise at one place are one too many."""
    assert len({one.name for one in MUTANTS}) == len({(one.file, one.old, one.new) for one in MUTANTS}) == len(MUTANTS)
    assert [one.name for one in MUTANTS if not one.promise.endswith(".") or "\n" in one.old + one.new] == []


CODE = "LIMIT = 6\n\n\ndef may(count: int) -> bool:\n    return count < LIMIT\n\n\ndef idle() -> int:\n    return 1\n"
TESTS = """
from pathlib import Path
import subprocess, sys
import product

def test_limit():
    assert not product.may(7)

def test_a_child_sees_it():
    asked = [sys.executable, "-c", "import product; print(product.LIMIT)"]
    assert subprocess.run(asked, cwd="/", capture_output=True, text=True).stdout == "6\\n"

def test_nothing():
    assert product.__file__

def test_stumbles():
    {}[product.LIMIT == 6]
"""


def change(name: str, old: str, new: str, *tests: str) -> Mutant:
    """A change of the small tree, and its tests."""
    return Mutant(name, "It is so.", "product.py", old, new, tuple(f"tests/test_product.py::{test}" for test in tests))


CAUGHT = change("caught", "LIMIT = 6", "LIMIT = 60", "test_limit")
BY_A_CHILD = change("by-a-child", "LIMIT = 6", "LIMIT = 60", "test_nothing", "test_a_child_sees_it")
SURVIVED = change("survived", "return 1", "return 2", "test_limit", "test_nothing")
STALE = change("stale", "LIMIT = 7", "LIMIT = 70", "test_limit")
TWICE = change("twice", "LIMIT", "LIMITS", "test_limit")
NO_PYTHON = change("no-python", "LIMIT = 6", "LIMIT = ", "test_limit")
FAILS_ANYWAY = change("fails-anyway", "LIMIT = 6", "LIMIT = 60", "test_stumbles")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A small tree with a product and its tests, of which nothing is committed. It stays as it is, whatever is run."""
    files = {"product.py": CODE, "tests/test_product.py": TESTS, ".gitignore": "left_out/\n", "left_out/x": ""}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    yield tmp_path
    assert {name: (tmp_path / name).read_text() for name in files} == files


def told(tree: Path, *mutants: Mutant, jobs: int = 1) -> tuple[int, str]:
    """The exit code, and what was printed."""
    said: list[str] = []
    return run(mutants, said.append, jobs, tree), "\n".join(said)


def test_what_is_noticed_is_caught_in_children_too(tree: Path) -> None:
    """In this process and in one that a test starts elsewhere the changed copy is what Python imports."""
    code, said = told(tree, CAUGHT, BY_A_CHILD, jobs=2)
    assert code == 0, said
    assert "tests/test_product.py::test_limit" in said
    assert "tests/test_product.py::test_a_child_sees_it" in said
    assert "2 of 2 caught" in said


def test_what_nothing_notices_has_survived(tree: Path) -> None:
    """Its tests pass: the exit code says so, and the promise and the tests are named."""
    code, said = told(tree, CAUGHT, SURVIVED)
    assert code == 1
    assert "survived: survived: It is so.\n  product.py: return 2\n  2 tests pass" in said
    assert "1 of 2 caught" in said


@pytest.mark.parametrize(("mutant", "places"), [(STALE, 0), (TWICE, 2)], ids=["not there", "there twice"])
def test_what_does_not_apply_is_stale(tree: Path, mutant: Mutant, places: int) -> None:
    """The list is behind the code: the exit code says so, and what was looked for is named."""
    code, said = told(tree, mutant)
    assert code == 1
    assert f"product.py has {places} places with {mutant.old!r}, and one is wanted" in said


@pytest.mark.parametrize("mutant", [NO_PYTHON, FAILS_ANYWAY], ids=lambda one: one.name)
def test_a_failure_that_no_assertion_names_catches_nothing(tree: Path, mutant: Mutant) -> None:
    """A change that cannot be imported, or a test that stumbles, says nothing of the promise."""
    code, said = told(tree, mutant)
    assert code == 1
    assert "no assertion names it" in said


def test_a_test_that_fails_without_the_change_proves_nothing(tree: Path) -> None:
    """What is broken already would catch everything."""
    text = TESTS.replace("not product.may(7)", "product.may(70)")
    (tree / "tests/test_product.py").write_text(text)
    code, said = told(tree, CAUGHT)
    (tree / "tests/test_product.py").write_text(TESTS)
    assert code == 1
    assert "its tests fail without the change, too" in said


def test_what_does_not_end_catches_nothing(tree: Path) -> None:
    """Tests that hang are ended, and the rest goes on."""
    waits = "import signal\n    while product.LIMIT != 6: signal.pause()"
    text = TESTS.replace("def test_nothing():", f"def test_nothing():\n    {waits}")
    (tree / "tests/test_product.py").write_text(text)
    said: list[str] = []
    hangs = change("hangs", "LIMIT = 6", "LIMIT = 60", "test_nothing")
    code = run([hangs], said.append, root=tree, limit=5)
    (tree / "tests/test_product.py").write_text(TESTS)
    assert code == 1
    assert "not over after 5 s" in "\n".join(said)


def test_asked_to_stop_it_leaves_nothing(tree: Path) -> None:
    """SIGTERM ends the tests that run as Ctrl-C would, with their fixtures, and the copies are gone."""
    waits = "import pathlib, pytest, time\n@pytest.fixture\ndef thing():\n    yield\n    pathlib.Path({1!r}).touch()\n"
    waits += "def test_waits(thing):\n    pathlib.Path({0!r}).touch()\n    time.sleep(1000)\n"
    begun, cleaned = tree / "left_out/begun", tree / "left_out/cleaned"
    (tree / "tests/test_product.py").write_text(waits.format(str(begun), str(cleaned)))
    program = (
        "import sys; from pathlib import Path; from tests.mutants.mutant import Mutant; from tests.mutants.runner import run;"
        "one = Mutant('one', 'It is so.', 'product.py', 'LIMIT = 6', 'LIMIT = 60', ('tests/test_product.py::test_waits',));"
        f"sys.exit(run([one], print, root=Path({str(tree)!r})))"
    )
    (tree / "copies").mkdir()
    with children.started(
        sys.executable, "-c", program, cwd=ROOT, env=os.environ | {"TMPDIR": str(tree / "copies")}
    ) as process:
        children.until(begun.exists, "the test waits")
        process.terminate()
        process.wait(children.PATIENCE)
    assert cleaned.exists()
    assert list((tree / "copies").glob("baton-mutants-*")) == []
    (tree / "tests/test_product.py").write_text(TESTS)


def test_a_file_that_is_gone_is_named() -> None:
    """As for a line."""
    with pytest.raises(Stale, match=r"there is no gone.py; name the file"):
        Mutant("gone", "It is so.", "gone.py", "a", "b", ()).text(ROOT)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    """Nothing is run."""
    with contextlib.redirect_stderr(said := io.StringIO()), pytest.raises(SystemExit) as ended:
        main(["no-such-change"])
    assert ended.value.code == 2
    assert "no change is called no-such-change; there are" in said.getvalue()
    assert MUTANTS[0].name in said.getvalue()
