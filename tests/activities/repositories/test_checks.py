"""Running a check: in the real sandbox, on a throw-away checkout, and read so that nothing counts that did not run."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from activities.git import Mirror, Mirrors
from activities.repositories import junit
from activities.repositories.check_command import PIPES, argv_of, is_pytest
from activities.repositories.check_run import Ran, run_check
from activities.repositories.junit import FAILURES_LIMIT
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox, interpreter
from activities.sandbox.interpreter import RUNNER
from contracts.base import ArtifactRef, sha256
from contracts.errors import Misconfigured
from contracts.repositories import CheckRun, WorkspaceRef
from tests.activities.tools.tooling import tree
from tests.children import PATIENCE
from tests.depth import soak
from tests.repositories import repository
from tests.stack import until

REPORT = f"--junitxml=/workspace/{junit.NAME}"
RUN = ["python3", RUNNER]
SHELL = ["/bin/sh", "-c"]

PYTEST = [
    ("pytest", [*RUN, REPORT]),
    ("pytest -q", [*RUN, "-q", REPORT]),
    ("pytest -k 'one or two'", [*RUN, "-k", "one or two", REPORT]),
    ('pytest -m "not slow" tests', [*RUN, "-m", "not slow", "tests", REPORT]),
    ("pytest tests/test_a.py::test_b[1-2]", [*RUN, "tests/test_a.py::test_b[1-2]", REPORT]),
    ("pytest --maxfail=3", [*RUN, "--maxfail=3", REPORT]),
    ("pytest --junitxml=theirs.xml", [*RUN, "--junitxml=theirs.xml", REPORT]),
    ("pytest -q -- tests", [*RUN, "-q", REPORT, "--", "tests"]),
    ("pytest -o 'addopts=-m \"a or b\" --x=*.y'", [*RUN, "-o", 'addopts=-m "a or b" --x=*.y', REPORT]),
    ("pytest -k 'a; (b) > $c'", [*RUN, "-k", "a; (b) > $c", REPORT]),
    ("python -m pytest", ["python", RUNNER, REPORT]),
    ("python3.12 -m pytest -x", ["python3.12", RUNNER, "-x", REPORT]),
    ("  pytest   -q  ", [*RUN, "-q", REPORT]),
]

PLAIN = [
    ("make test", ["make", "test"]),
    ("npm test --silent", ["npm", "test", "--silent"]),
    ("python -m unittest", ["python", "-m", "unittest"]),
    ("python pytest", ["python", "pytest"]),
    ("echo 'pytest -q'", ["echo", "pytest -q"]),
    ("uv run pytest", ["uv", "run", "pytest"]),
]

FOR_A_SHELL = [
    "pytest -q; true",
    "pytest -q || true",
    "pytest -q && echo ok",
    "pytest $ARGS",
    "pytest `cat args`",
    "pytest tests/*.py",
    "pytest -q > out",
    "pytest ~/tests",
    "pytest -k 'one or two",
    "pytest -k one\\ or\\ two",
    "pytest\ntrue",
    "(pytest)",
    "pytest \" ' $(id) ' \"",
    "pytest 'a*'b*",
    "pytest 'a' > 'b'",
    "pytest # all of them",
    "CI=1 pytest -q",
    "FOO='a b' make test",
]


@pytest.mark.parametrize(("command", "argv"), PYTEST)
def test_pytest_is_asked_for_its_report(command: str, argv: list[str]) -> None:
    """Plain words that run pytest get the report's name as an option that counts, whatever else they say."""
    assert is_pytest(command)
    assert argv_of(command) == argv


@pytest.mark.parametrize(("command", "argv"), PLAIN)
def test_other_plain_words_are_run_as_they_are(command: str, argv: list[str]) -> None:
    """Without shell syntax there is no shell; what only mentions pytest is not asked for a report."""
    assert not is_pytest(command)
    assert argv_of(command) == argv


@pytest.mark.parametrize("command", FOR_A_SHELL)
def test_what_needs_a_shell_gets_one_and_is_not_taken_for_pytest(command: str) -> None:
    """Shell syntax goes to a shell whole; its report would not be known to be of all that ran."""
    assert not is_pytest(command)
    assert argv_of(command) == [*SHELL, command]


@pytest.mark.parametrize("command", ["pytest -q | tail", "pytest 2>&1 | tee log; cat log"])
def test_a_pipe_is_run_so_that_every_part_counts(command: str) -> None:
    """The shell gets the command whole."""
    assert not is_pytest(command)
    assert argv_of(command) == [*SHELL, PIPES, "sh", command]


@pytest.mark.parametrize("command", ["", "  ", "\n"])
def test_an_empty_check_is_refused(command: str) -> None:
    """Nothing to run is said so and never succeeds."""
    with pytest.raises(Misconfigured, match="the check is empty"):
        argv_of(command)


def _case(name: str, inside: str = "") -> str:
    return f'<testcase classname="t" name="{name}">{inside}</testcase>'


def _suite(*cases: str) -> bytes:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()


XFAIL = '<skipped type="pytest.xfail" message=""/>'
SKIP = '<skipped type="pytest.skip" message=""/>'
BOMB = b'<!DOCTYPE a [<!ENTITY x0 "lol">%s]><a>&x9;</a>' % b"".join(
    b'<!ENTITY x%d "%s">' % (number, b"&x%d;" % (number - 1) * 10) for number in range(1, 10)
)

REPORTS: list[tuple[str, bytes, int, tuple[str, ...]]] = [
    ("all pass", _suite(_case("a"), _case("b")), 2, ()),
    ("one fails, one errs", _suite(_case("a", "<failure/>"), _case("b", "<error/>"), _case("c")), 3, ("t::a", "t::b")),
    ("failed, and again on the way down", _suite(_case("a", "<failure/>"), _case("a", "<error/>")), 2, ("t::a",)),
    ("skipped", _suite(_case("a", SKIP), _case("b")), 1, ()),
    ("all skipped", _suite(_case("a", SKIP)), 0, ()),
    ("skipped, then an error", _suite(_case("a", SKIP + "<error/>")), 1, ("t::a",)),
    ("expected to fail", _suite(_case("a", XFAIL)), 1, ()),
    ("no class", b'<testsuite><testcase name="a"><failure/></testcase></testsuite>', 1, ("a",)),
    ("no test", _suite(), 0, ()),
    ("empty", b"", 0, ()),
    ("cut off", _suite(_case("a"))[:-20], 0, ()),
    ("not XML", b"5 passed", 0, ()),
    ("unknown encoding", b'<?xml version="1.0" encoding="klingon"?><a><testcase/></a>', 0, ()),
    ("encoding of many bytes", b'<?xml version="1.0" encoding="shift_jis"?><a><testcase/></a>', 0, ()),
    ("entity bomb", BOMB, 0, ()),
    ("a file of this machine", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><testcase name="&x;"/></a>', 0, ()),
    ("deep", b"<a>" * 100_000, 0, ()),
    ("deep and closed", b"<a>" * 100_000 + b"</a>" * 100_000, 0, ()),
    ("hidden letters", _suite(_case("a\u202eb", "<failure/>")), 1, ("t::a\\u202eb",)),
]


@pytest.mark.parametrize(("data", "total", "failures"), [row[1:] for row in REPORTS], ids=[row[0] for row in REPORTS])
def test_a_report_counts_what_ran(tmp_path: Path, data: bytes, total: int, failures: tuple[str, ...]) -> None:
    """Counted are tests that ran; a report that is broken or hostile counts none, which is never green."""
    (tmp_path / junit.NAME).write_bytes(data)
    found = junit.read(tmp_path)
    assert (found.total, found.failed, found.unnamed) == (total, failures, 0)


def test_a_report_that_is_none_counts_nothing_and_says_why(tmp_path: Path) -> None:
    """No file, a folder, a link, or more bytes than anybody reads: no test was counted, and the reason is told."""
    assert "no report of single tests was written" in _unread(tmp_path)
    (tmp_path / junit.NAME).mkdir()
    assert "cannot be read" in _unread(tmp_path)
    (tmp_path / junit.NAME).rmdir()
    (tmp_path / "real.xml").write_bytes(_suite(_case("a")))
    (tmp_path / junit.NAME).symlink_to("real.xml")
    assert "was not read" in _unread(tmp_path)
    (tmp_path / junit.NAME).unlink()
    (tmp_path / junit.NAME).write_bytes(_suite(_case("a")) + b" " * junit.LIMIT)
    assert f"larger than {junit.LIMIT} bytes" in _unread(tmp_path)


def _unread(folder: Path) -> str:
    found = junit.read(folder)
    assert (found.total, found.failed, found.outcomes) == (0, (), {})
    return found.problem


def test_names_of_failures_are_bounded(tmp_path: Path) -> None:
    """At most so many failures are named, each cut to a length that a person reads."""
    (tmp_path / junit.NAME).write_bytes(_suite(*(_case(f"{number}-{'x' * 900}", "<failure/>") for number in range(300))))
    found = junit.read(tmp_path)
    assert (found.total, len(found.failed), found.unnamed) == (300, FAILURES_LIMIT, 300 - FAILURES_LIMIT)
    assert max(len(one) for one in found.failed) <= 400


def test_ids_that_begin_alike_are_two(tmp_path: Path) -> None:
    """What is cut off a long id still tells two tests apart."""
    (tmp_path / junit.NAME).write_bytes(_suite(*(_case(f"{'x' * 900}{number}", "<failure/>") for number in range(2))))
    assert len(junit.read(tmp_path).failed) == 2


def _failing(name: str, said: str) -> str:
    return _case(name, f'<failure message="{said}">x</failure>')


SAME = [
    ("the same", [_failing("a", "no")], [_failing("a", "no")], True),
    ("an address", [_failing("a", "object at 0x7f12")], [_failing("a", "object at 0x99ab")], True),
    ("how long it took", [_failing("a", "late by 1.21 s")], [_failing("a", "late by 3.4 s")], True),
    ("a folder of the run", [_failing("a", "/tmp/pytest-1/x is missing")], [_failing("a", "/tmp/pytest-9/x is missing")], True),
    ("another reason", [_failing("a", "KeyError: 1")], [_failing("a", "ValueError: 1")], False),
    ("another value", [_failing("a", "assert 1 == 2")], [_failing("a", "assert 3 == 2")], False),
    ("one sub-test more", [_failing("a", "no")], [_failing("a", "no"), _failing("a", "no")], False),
    ("another sub-test", [_failing("a", "one"), _case("a")], [_case("a"), _failing("a", "two")], False),
    ("in another order", [_failing("a", "one"), _failing("a", "two")], [_failing("a", "two"), _failing("a", "one")], True),
]


@pytest.mark.parametrize(("before", "after", "same"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_a_failure_is_its_id_and_its_reason(tmp_path: Path, before: list[str], after: list[str], same: bool) -> None:
    """What changes from run to run is no part of the reason; everything else is, and how often an id failed."""
    found = []
    for cases in (before, after):
        (tmp_path / junit.NAME).write_bytes(_suite(*cases))
        found.append(junit.read(tmp_path).reasons)
    assert (found[0] == found[1]) is same


class Place:
    """A machine with one repository, whose checks are run as the worker does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox.find()
        self.workspaces = Workspaces(folder / "workspaces", Mirrors(folder / "mirrors"))

    def commit(self, **files: str) -> tuple[Mirror, str]:
        """A repository with these files, fetched; its mirror and tree."""
        names = {name.replace("__", "/").replace("_py", ".py"): text.encode() for name, text in files.items()}
        source = repository(self.folder / "source", names)
        mirror = Mirrors(self.folder / "mirrors").open(str(source))
        return mirror, mirror.fetch(None).tree

    async def check(self, command: str, mirror: Mirror, tree_id: str, seconds: float = 60) -> Ran:
        """One run of the command."""
        limit = timedelta(seconds=seconds)
        return await run_check(self.sandbox, self.workspaces, mirror, tree_id, command, limit=limit)

    def left(self) -> list[Path]:
        """What checks left behind in their folder."""
        return list((self.folder / "workspaces" / "scratch").glob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A machine of its own for each test."""
    return Place(tmp_path)


def green(ran: Ran) -> bool:
    """As the verdict sees it."""
    output = ArtifactRef(digest=sha256(ran.output), size=len(ran.output))
    return CheckRun(
        command=ran.command,
        tree="",
        exit_code=ran.exit_code,
        timed_out=ran.timed_out,
        total=ran.total,
        failures=ran.failures,
        output=output,
    ).green


async def test_a_run_names_what_fails(place: Place) -> None:
    """Tests are counted, failures named, the output kept; the checkout is gone afterwards."""
    mirror, commit = place.commit(test_a_py="def test_good(): pass\ndef test_bad(): assert 1 == 2\n")
    ran = await place.check("pytest -q", mirror, commit)
    assert (ran.exit_code, ran.total, ran.failures) == (1, 2, ("test_a::test_bad",))
    assert "assert 1 == 2" in ran.tail
    assert not green(ran)
    assert place.left() == []


async def test_a_suite_that_leaves_early_is_not_green(place: Place) -> None:
    """Exit code 0 out of the middle of the suite is not taken for a pass, also not with a report that was there before."""
    forged = _suite(_case("a"), _case("b")).decode()
    source = repository(
        place.folder / "source",
        {"test_a.py": b"import os\ndef test_it(): os._exit(0)\n", junit.NAME: forged.encode()},
    )
    mirror = Mirrors(place.folder / "mirrors").open(str(source))
    ran = await place.check("pytest -q", mirror, mirror.fetch(None).tree)
    assert (ran.exit_code, ran.total) == (0, 0)
    assert not green(ran)


async def test_a_suite_that_hides_its_failure_is_not_green(place: Place) -> None:
    """A suite that sets its own exit code to 0 over a failed test is not taken for a pass."""
    mirror, commit = place.commit(
        test_a_py="def test_bad(): assert False\n",
        conftest_py="def pytest_sessionfinish(session): session.exitstatus = 0\n",
    )
    ran = await place.check("pytest -q", mirror, commit)
    assert (ran.exit_code, ran.failures) == (0, ("test_a::test_bad",))
    assert not green(ran)


async def test_other_commands_are_read_by_their_exit_code(place: Place) -> None:
    """A command that is not pytest reports no single tests: its exit code speaks, a missing program is 127."""
    mirror, commit = place.commit(a_py="print('a')\n")
    for command, code in (("python a.py", 0), ("NAME=7 sh -c 'exit $NAME'", 7), ("no-such-program", 127)):
        ran = await place.check(command, mirror, commit)
        assert (ran.exit_code, ran.total, ran.failures) == (code, None, ())
        assert green(ran) is (code == 0)


async def test_a_check_that_takes_too_long_is_stopped(place: Place) -> None:
    """At the limit the check is stopped and says so; that is never green, and its checkout is gone."""
    mirror, commit = place.commit(test_a_py="import time\ndef test_it(): time.sleep(600)\n")
    ran = await place.check("pytest -q", mirror, commit, seconds=1)
    assert (ran.exit_code, ran.timed_out, ran.total) == (None, True, 0)
    assert not green(ran)
    assert place.left() == []


async def test_what_a_check_writes_stays_in_its_checkout(place: Place) -> None:
    """A check that rewrites its files changes neither the workspace it was taken from nor the repository."""
    rewrite = "import pathlib\ndef test_it():\n    for path in pathlib.Path().rglob('*.py'): path.write_text('gone')\n"
    mirror, _ = place.commit(test_a_py=rewrite, shop_py="price = 1\n")
    base = mirror.fetch(None)
    ref = WorkspaceRef(repository=mirror.repository, base=base.commit)
    folder = await asyncio.to_thread(place.workspaces.ensure, "trace/step", ref, None, lambda _: b"")
    before = tree(folder), tree(place.folder / "source")
    snapshot, commit = place.workspaces.snapshot("trace/step")
    assert green(await place.check("pytest -q", snapshot, commit))
    assert (tree(folder), tree(place.folder / "source")) == before
    assert place.workspaces.snapshot("trace/step")[1] == commit


async def _when_running(place: Place) -> bool | None:
    return True if any(path.joinpath("started").exists() for path in place.left()) else None


async def _when_made(place: Place) -> bool | None:
    return True if place.left() else None


async def _nothing_left(place: Place) -> bool | None:
    return None if place.left() else True


@pytest.mark.parametrize("moment", [_when_running, _when_made], ids=["while it runs", "while it is checked out"])
async def test_a_cancelled_check_leaves_nothing(place: Place, moment: Callable[[Place], Awaitable[bool | None]]) -> None:
    """Cancelled while it runs or while its files are laid out, a check ends at once and its checkout is deleted."""
    mirror, commit = place.commit(run_py="import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(600)\n")
    running = asyncio.create_task(place.check("python run.py", mirror, commit))
    await until(lambda: moment(place), "the check began")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, PATIENCE)
    await until(lambda: _nothing_left(place), "its checkout was deleted")


OURS = (
    "structlog",
    "temporalio",
    "pydantic",
    "sqlalchemy",
    "hypothesis",
    "pytest_asyncio",
    "activities",
    "contracts",
    "worker",
)

ALONE = f"""
import importlib.util, os, sys
def test_nothing_of_ours_is_there():
    assert [name for name in {OURS!r} if importlib.util.find_spec(name)] == []
    assert importlib.util.find_spec("pluggy")
def test_home_and_temporary_folder_are_empty():
    assert [os.listdir(path) for path in (os.environ["HOME"], os.environ["TMPDIR"], "/dev/shm")] == [[], ["home"], []]
    for path in (os.environ["HOME"], os.environ["TMPDIR"], "/dev/shm"):
        open(path + "/left", "w").close()
"""


@pytest.mark.parametrize("command", ["pytest -q", "sh -c 'cd . && pytest -q'", *soak("python -m pytest -q")])
async def test_a_check_finds_pytest_and_nothing_of_ours(place: Place, command: str) -> None:
    """No package of Baton's environment can be imported, and what one run leaves outside the checkout no other finds."""
    mirror, commit = place.commit(test_a_py=ALONE)
    for _ in range(2):
        ran = await place.check(command, mirror, commit)
        assert ran.exit_code == 0, ran.tail


async def test_a_package_of_a_named_environment_is_there(place: Place) -> None:
    """What the project's own environment holds can be imported; nothing of ours comes with it."""
    environment = place.folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "theirs.py").write_text("here = True\n")
    mirror, commit = place.commit(a_py="import theirs\ntry:\n    import structlog\nexcept ImportError:\n    print('alone')\n")
    limit = timedelta(seconds=60)
    ran = await run_check(place.sandbox, place.workspaces, mirror, commit, "python a.py", environment=environment, limit=limit)
    assert (ran.exit_code, ran.output) == (0, b"alone\n")
    ran = await run_check(place.sandbox, place.workspaces, mirror, commit, "pytest", environment=environment, limit=limit)
    assert (ran.exit_code, ran.total) == (127, 0)
    assert "Name an environment that holds pytest" in ran.tail


FAILS = b"def test_bad(): assert False\n"
SHADOWS = {
    "pytest.py": b"import sys\nsys.exit(0)\n",
    "pytest/__init__.py": b"def main(*_, **__): return 0\n",
    "_pytest/__init__.py": b"import os\nos._exit(0)\n",
    "_pytest/runner.py": b"import os\nos._exit(0)\n",
    "sitecustomize.py": b"import os\nos._exit(0)\n",
    "usercustomize.py": b"import os\nos._exit(0)\n",
    "json.py": b"import os\nos._exit(0)\n",
    "argparse.py": b"import os\nos._exit(0)\n",
    "pluggy.py": b"import os\nos._exit(0)\n",
}


TOGETHER = (tuple(one for one in SHADOWS if "/" not in one), tuple(one for one in SHADOWS if "/" in one))
"""Each of them alone would end the run or make it pass: several in one repository are as good as one after the other."""


@pytest.mark.parametrize("command", ["python -m pytest -q", *soak("pytest -q")])
@pytest.mark.parametrize("names", [*TOGETHER, *soak(*((one,) for one in SHADOWS))], ids=" ".join)
async def test_no_file_of_the_root_stands_in_for_the_runner(place: Place, names: tuple[str, ...], command: str) -> None:
    """A file called as pytest, a part of it or a module that it needs is not what runs the tests."""
    source = repository(place.folder / "source", {"test_a.py": FAILS, **{name: SHADOWS[name] for name in names}})
    mirror = Mirrors(place.folder / "mirrors").open(str(source))
    ran = await place.check(command, mirror, mirror.fetch(None).tree)
    assert (ran.exit_code, ran.failures) == (1, ("test_a::test_bad",)), ran.tail


@pytest.mark.parametrize("folder", ["", "src/"])
async def test_the_checkout_comes_first_on_the_import_path(place: Place, folder: str) -> None:
    """Flat and src layouts are imported from the checkout, not from a copy that the environment has installed."""
    environment = place.folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "shop").mkdir()
    (packages / "shop" / "__init__.py").write_text("PRICE = 1\n")
    for path in interpreter.packages():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, packages / path.name)
    test = b"import shop\ndef test_price(): assert shop.PRICE == 2\n"
    source = repository(place.folder / "source", {"tests/test_a.py": test, f"{folder}shop/__init__.py": b"PRICE = 2\n"})
    mirror = Mirrors(place.folder / "mirrors").open(str(source))
    tree_id = mirror.fetch(None).tree
    ran = await run_check(place.sandbox, place.workspaces, mirror, tree_id, "pytest -q", environment=environment)
    assert (ran.exit_code, ran.total) == (0, 1), ran.tail


async def test_a_report_is_found_where_a_test_changes_the_folder(place: Place) -> None:
    """A conftest that goes elsewhere does not take the report along: it has an absolute path."""
    mirror, commit = place.commit(conftest_py="import os\nos.chdir('/tmp')\n", test_a_py="def test_good(): pass\n")
    ran = await place.check("pytest -q", mirror, commit)
    assert (ran.exit_code, ran.total) == (0, 1)
    assert green(ran)


EARLY = {
    "-x": ({"pytest.ini": b"[pytest]\naddopts = -x\n"}, 1),
    "its own words are far up": (
        {
            "pytest.ini": b"[pytest]\naddopts = -x\n",
            "conftest.py": b"def pytest_unconfigure():\n    print('noise ' * 3000)\n",
        },
        1,
    ),
    "a conftest": ({"conftest.py": b"def pytest_runtest_teardown(item):\n    item.session.shouldfail = 'enough'\n"}, 1),
    "a stop that looks like failed tests": (
        {"conftest.py": b"import pytest\ndef pytest_runtest_logfinish():\n    pytest.exit('enough', returncode=1)\n"},
        1,
    ),
    "a stop that looks green": (
        {
            "conftest.py": b"import pytest\ndef pytest_runtest_logfinish():\n    pytest.exit('enough', returncode=0)\n",
            "test_a.py": b"def test_a(): pass\ndef test_other(): pass\n",
        },
        0,
    ),
}


@pytest.mark.parametrize("how", EARLY)
async def test_an_early_stop_is_known(place: Place, how: str) -> None:
    """Whatever ends the run before all tests have run, and whatever it prints: the run says so."""
    files, code = EARLY[how]
    source = repository(place.folder / "source", {"test_a.py": FAILS + b"def test_other(): pass\n"} | files)
    mirror = Mirrors(place.folder / "mirrors").open(str(source))
    ran = await place.check("pytest -q", mirror, mirror.fetch(None).tree)
    assert (ran.exit_code, ran.total, ran.stopped_early) == (code, 1, True)


SUB_TESTS = {
    "unittest": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_many(self):\n        for i in range(3):\n"
        "            with self.subTest(i=i):\n                self.assertTrue(i not in {bad})\n"
    ),
    "messages": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_many(self):\n        for name in 'abc':\n"
        "            with self.subTest(name):\n                self.fail('no') if 'abc'.index(name) in {bad} else None\n"
    ),
    "fixture": (
        "def test_many(subtests):\n    for i in range(3):\n        with subtests.test(msg='case', i=i):\n"
        "            assert i not in {bad}, 'no'\n"
    ),
}


@pytest.mark.parametrize("form", SUB_TESTS)
@pytest.mark.parametrize("bad", ["(0, 2)", *soak("(2,)", "(0, 1, 2)")])
async def test_failed_sub_tests_are_told_apart(place: Place, form: str, bad: str) -> None:
    """They share one id: one more that fails, or another one with the same message, is another failure; the same one is not."""
    found = []
    for number, now in enumerate(("(0,)", bad, "(0,)")):
        source = repository(place.folder / f"{number}", {"test_a.py": SUB_TESTS[form].format(bad=now).encode()})
        mirror = Mirrors(place.folder / "mirrors").open(str(source))
        ran = await place.check("pytest -q", mirror, mirror.fetch(None).tree)
        assert ran.exit_code == 1, ran.tail
        assert "deprecated" not in ran.tail, "what we start pytest with says nothing of its own"
        assert ran.results is not None
        found.append(ran.results.reasons)
    before, after, again = found
    assert set(before) == set(after) == set(again)
    assert before == again
    assert before != after


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("pytest -q | tee log", 1),
        ("pytest -q 2>&1 | cat | tail -1", 1),
        ("cd . && pytest -q | cat", 1),
        ("pytest -q --deselect test_a.py::test_bad | tee log", 0),
        ("echo 'a|b' | grep -q 'a|b'", 0),
        ("exit 3 | cat", 3),
    ],
)
async def test_a_failure_before_a_pipe_is_a_failure(place: Place, command: str, code: int) -> None:
    """The exit code is that of the part that failed, not of what its output went into; the text reaches the shell unchanged."""
    mirror, commit = place.commit(test_a_py="def test_good(): pass\ndef test_bad(): assert 1 == 2\n")
    ran = await place.check(command, mirror, commit)
    assert ran.exit_code == code, ran.tail
    assert green(ran) is (code == 0)
