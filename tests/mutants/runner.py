"""Applies each change to a copy of the tree, runs its tests there, and says whether one of them failed by an assertion."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tests import children
from tests.mutants.mutant import Mutant, Stale

ROOT = Path(__file__).parent.parent.parent

LIMIT = 240.0
"""Seconds after which the tests of one change are ended: what hangs has noticed nothing."""

PATIENCE = "30"
"""Seconds that tests wait for what does not come, see `tests/children.py`: here that is what is expected."""

ASSERTED = ("assert ", "AssertionError", "Failed: DID NOT RAISE")
"""How pytest's report of a failure begins where a test has said what is wrong, and did not stumble."""

Say = Callable[[str], None]

_RUNNING: "set[subprocess.Popen[str]]" = set()


class NotHere(Exception):
    """Python would not import the copy that is changed, so that no test could notice anything."""


@dataclass(frozen=True)
class Ran:
    """What pytest said: the tests that passed, those that failed by an assertion, and the others, each with why."""

    passed: tuple[str, ...] = ()
    asserted: tuple[str, ...] = ()
    stumbled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What became of one change. `by` is the test that caught it, or why nothing did."""

    mutant: Mutant
    how: Literal["caught", "survived", "stale"]
    by: str
    seconds: float = 0.0

    @property
    def line(self) -> str:
        """For the table."""
        return f"{self.how:<9} {self.seconds:5.1f} s  {self.mutant.name:<32} {self.by}"


def run(mutants: Sequence[Mutant], say: Say, jobs: int = 1, root: Path = ROOT, limit: float = LIMIT) -> int:
    """Try each change and print what became of it. 0 where all were caught; the tree at `root` stays as it is."""
    begun = time.monotonic()
    with _copies(root, jobs) as copies, _pool(jobs) as pool:
        broken = _broken([one for one in mutants if not _stale(one, root)], copies, pool, limit)
        results = []
        for result in pool.map(lambda one: _tried(one, copies, broken, limit), mutants):
            say(result.line)
            results.append(result)
    wrong = [one for one in results if one.how != "caught"]
    for one in wrong:
        say(f"\n{one.how}: {one.mutant.name}: {one.mutant.promise}\n  {one.mutant.file}: {one.mutant.new.strip()}\n  {one.by}")
    say(f"\n{len(results) - len(wrong)} of {len(results)} caught in {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads. Asked to stop, nothing more is begun, and what runs ends as after Ctrl-C: with what its tests have started."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    pool, before = ThreadPoolExecutor(jobs), None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, stop)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(_RUNNING):
            process.send_signal(signal.SIGINT)
        raise
    finally:
        pool.shutdown()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _copies(root: Path, count: int) -> "Iterator[queue.SimpleQueue[Path]]":
    """Copies of the tree as it is, with what is not committed; one for each job, and gone afterwards."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, check=True
    ).stdout.decode()
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="baton-mutants-") as folder:
        for number in range(count):
            copy = Path(folder).resolve() / str(number)
            for name in filter(None, listed.split("\0")):
                if (root / name).is_file():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(root / name, copy / name)
            copies.put(copy)
        yield copies


def _environment(copy: Path) -> dict[str, str]:
    # For whatever a test starts in another folder: the environment itself has none of our modules on its path.
    return os.environ | {"PYTHONPATH": str(copy), "TESTS_PATIENCE": PATIENCE}


def _check_it_is_imported(mutant: Mutant, copy: Path) -> None:
    """Raise `NotHere` unless a Python that starts elsewhere imports this file of the copy."""
    module = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    program = f"import importlib.util; print(importlib.util.find_spec({module!r}).origin)"
    where = {"cwd": copy.parent, "env": _environment(copy)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, **where)
    if Path(done.stdout.strip()) != copy / mutant.file:
        raise NotHere(f"{module} is imported from {done.stdout.strip() or done.stderr}, not from the copy at {copy}")


def _broken(mutants: Sequence[Mutant], copies: "queue.SimpleQueue[Path]", pool: ThreadPoolExecutor, limit: float) -> set[str]:
    """The files of tests with a failure that has nothing to do with any change."""
    tests = sorted({test for one in mutants for test in one.tests})
    files = sorted({_file(test) for test in tests})
    shares = [[test for test in tests if _file(test) in files[start::2]] for start in (0, 1)]

    def plainly(share: Sequence[str]) -> Ran:
        with _one(copies) as copy:
            _check_it_is_imported(mutants[0], copy)
            return _pytest(copy, share, limit * 5)

    failed = [test for ran in pool.map(plainly, filter(None, shares)) for test in (*ran.asserted, *ran.stumbled)]
    return {_file(test) for test in failed}


def _tried(mutant: Mutant, copies: "queue.SimpleQueue[Path]", broken: set[str], limit: float) -> Result:
    begun = time.monotonic()
    with _one(copies) as copy:
        try:
            with mutant.applied(copy):
                ran = _pytest(copy, mutant.tests, limit, "-x")
        except Stale as error:
            return Result(mutant, "stale", str(error))
    result = _judged(mutant, ran)
    if result.how == "caught" and any(_file(test) in broken for test in mutant.tests):
        result = Result(mutant, "survived", "its tests fail without the change, too")
    return replace(result, seconds=time.monotonic() - begun)


def _judged(mutant: Mutant, ran: Ran) -> Result:
    if ran.asserted:
        return Result(mutant, "caught", ran.asserted[0])
    if ran.stumbled:
        return Result(mutant, "survived", f"no assertion names it; {ran.stumbled[0]}")
    return Result(mutant, "survived", f"{len(ran.passed)} tests pass: {', '.join(mutant.tests)}")


@contextmanager
def _one(copies: "queue.SimpleQueue[Path]") -> Iterator[Path]:
    copy = copies.get()
    try:
        yield copy
    finally:
        copies.put(copy)


def _pytest(copy: Path, tests: Sequence[str], limit: float, *more: str) -> Ran:
    """Run these tests in the copy."""
    report = copy.parent / f"{copy.name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *more, *tests]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with children.started(*command, cwd=copy, env=_environment(copy), text=True, **streams) as process:
        _RUNNING.add(process)
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            # As Ctrl-C: pytest ends what its tests have started.
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=children.PATIENCE)
            return Ran(stumbled=(f"{', '.join(tests)}: not over after {limit:.0f} s",))
        finally:
            _RUNNING.discard(process)
    if not report.is_file():
        return Ran(stumbled=(f"{', '.join(tests)}: no report; {said.strip()[-500:]}",))
    return _read(report)


def _read(report: Path) -> Ran:
    """What pytest's own report says."""
    passed, asserted, stumbled = [], [], []
    for case in xml.parse(report).iter("testcase"):
        where = f"{case.get('classname', '').replace('.', '/')}.py" if case.get("classname") else case.get("name", "")
        name = f"{where}::{case.get('name')}"
        failed = case.find("failure")
        if failed is not None and failed.get("message", "").startswith(ASSERTED):
            asserted.append(name)
        elif failed is not None or (failed := case.find("error")) is not None:
            stumbled.append(f"{name}: {failed.get('message', '').strip()[:300]}")
        elif case.find("skipped") is None:
            passed.append(name)
    return Ran(tuple(passed), tuple(asserted), tuple(stumbled))


def _file(test: str) -> str:
    return test.partition("::")[0].partition(":")[0]


def _stale(mutant: Mutant, root: Path) -> bool:
    try:
        mutant.text(root)
    except Stale:
        return True
    return False
