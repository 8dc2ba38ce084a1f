"""The verdict is computed from runs: nothing that did not really run and pass is ever called passed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.repositories.junit import FAILURES_LIMIT
from activities.repositories.verdict import judge, judged, report
from contracts.base import ArtifactRef, sha256
from contracts.delivery.proof import OwnTests, Proof, Sabotage
from contracts.delivery.testing import TestReport, Verdict
from contracts.repositories import ChangeSet, CheckRun, FileChange

OUTPUT = ArtifactRef(digest=sha256(b""), size=0)


def run(exit_code: int | None = 0, total: int | None = 5, failures: tuple[str, ...] = (), **more: Any) -> CheckRun:
    """One run of a check."""
    values = {"command": "pytest -q", "tree": "t", "output": OUTPUT} | more
    return CheckRun(exit_code=exit_code, total=total, failures=failures, **values)


GREEN, PLAIN = run(), run(total=None)
RED = run(1, failures=("t::a",))
RED_TWO = run(1, failures=("t::a", "t::b"))
RED_PLAIN = run(1, None)
MANY = tuple(f"t::{number:03}" for number in range(FAILURES_LIMIT))

TABLE: list[tuple[str, tuple[CheckRun, ...], CheckRun | None, Verdict, str]] = [
    ("nothing ran", (), GREEN, "not_run", "no check was run"),
    ("green", (GREEN,), GREEN, "passed", "5 tests ran and none failed"),
    ("green, no base", (GREEN,), None, "passed", "5 tests ran and none failed"),
    ("green by its exit code", (PLAIN,), PLAIN, "passed", "exit code 0"),
    ("green after red", (GREEN,), RED, "passed", "none failed"),
    ("green, one of two", (GREEN, RED), GREEN, "failed", "1 of 5 tests fail"),
    ("exit 0 and no test", (run(total=0),), GREEN, "failed", "no test was reported (exit code 0)"),
    ("exit 0 and no test, as before", (run(total=0),), run(total=0), "failed", "no test was reported"),
    ("failures that are not named", (run(1, failures=("t::a",), unnamed=1),), RED_TWO, "failed", "2 of 5 tests fail"),
    ("exit 0 over a failure", (run(0, failures=("t::a",)),), GREEN, "failed", "1 of 5 tests fail"),
    ("exit 0 over an old failure", (run(0, failures=("t::a",)),), RED, "failed", "1 of 5 tests fail"),
    ("stopped in time, exit 0", (run(0, timed_out=True, seconds=9),), GREEN, "failed", "stopped after 9 s"),
    ("time-out", (run(None, total=0, timed_out=True, seconds=1800),), GREEN, "failed", "stopped after 1800 s"),
    ("time-out, as before", (run(None, timed_out=True),), run(None, timed_out=True), "failed", "stopped after"),
    ("killed", (run(None, total=0),), GREEN, "failed", "it was stopped"),
    ("new failure", (RED,), GREEN, "failed", "1 of 5 tests fail"),
    ("old failure", (RED,), RED, "no_new_failures", "1 test fails, and it failed on the base, too"),
    ("fewer old failures", (RED,), RED_TWO, "no_new_failures", "1 test fails"),
    ("old and new", (RED_TWO,), RED, "failed", "2 of 5 tests fail"),
    ("old failure, no base", (RED,), None, "failed", "1 of 5 tests fail"),
    ("old failure, then killed", (run(137, failures=("t::a",)),), RED, "failed", "1 of 5"),
    ("old failure, interrupted", (run(2, failures=("t::a",)),), RED, "failed", "1 of 5"),
    ("usage error", (run(4, total=0),), GREEN, "failed", "no test was reported (exit code 4)"),
    ("usage error, as before", (run(4, total=0),), run(4, total=0), "failed", "no test was reported"),
    (
        "exit code only, red before",
        (RED_PLAIN,),
        RED_PLAIN,
        "failed",
        "also fails on the base and does not report single tests",
    ),
    ("exit code only, green before", (RED_PLAIN,), PLAIN, "failed", "exit code 1"),
    ("red and nothing named", (run(1),), RED, "failed", "exit code 1"),
    ("more failures than are named", (run(1, 900, MANY),), run(1, 900, MANY), "failed", "200 of 900"),
    ("tests went missing", (run(total=3),), GREEN, "passed", "2 fewer tests ran than on the base"),
    (
        "failing tests went missing",
        (run(1, 3, ("t::a",)),),
        RED_TWO,
        "failed",
        "not comparable with the base: 2 fewer",
    ),
]


@pytest.mark.parametrize(("runs", "base", "verdict", "why"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_verdict_of_each_case(runs: tuple[CheckRun, ...], base: CheckRun | None, verdict: Verdict, why: str) -> None:
    """Each combination of runs and base has this verdict, with a reason that a person can follow."""
    found, reason = judge(runs, base)
    assert found == verdict
    assert why in reason


def test_what_is_new_what_was_there_and_what_is_mended() -> None:
    """The report tells apart new failures, old ones, and those that a run which counted every test no longer has."""
    made = report((run(1, failures=("t::b", "t::new")),), RED_TWO, None, "tried")
    assert (made.new_failures, made.failed_before, made.fixed) == (("t::new",), ("t::a", "t::b"), ("t::a",))
    assert made.notes == "tried"


@pytest.mark.parametrize("change", [run(total=4), run(total=0), PLAIN, run(1, 900, MANY)], ids=["gone", "none", "plain", "cut"])
def test_a_test_that_is_not_known_to_pass_is_not_called_fixed(change: CheckRun) -> None:
    """Where tests went missing, were not counted, or not all failures are named, nothing is called fixed."""
    assert report((change,), RED_TWO, None, "").fixed == ()


def test_more_tests_than_before_are_no_reason_for_doubt() -> None:
    """Tests that were added take nothing away from what was mended, and the reason does not mention them."""
    made = report((run(total=7),), RED, None, "")
    assert (made.verdict, made.fixed) == ("passed", ("t::a",))
    assert "fewer" not in made.why


def test_what_the_tester_added_and_may_not() -> None:
    """The report names the tests that were added, and the files that were left out of the change."""
    added = ChangeSet(
        item="tests",
        summary="",
        files=(FileChange(path="tests/test_a.py", status="added", added=3, removed=0),),
        outside=("shop/pricing.py",),
        start_tree="a",
        tree="b",
    )
    made = report((GREEN,), GREEN, added, "")
    assert (made.tests_added, made.left_out) == (("tests/test_a.py",), ("shop/pricing.py",))


RUNS = st.builds(
    run,
    exit_code=st.sampled_from([None, 0, 1, 2, 4, 5, 137]),
    total=st.sampled_from([None, 0, 1, 5]),
    failures=st.lists(st.sampled_from(["t::a", "t::b", "t::c"]), unique=True).map(tuple),
    timed_out=st.booleans(),
)


@given(st.lists(RUNS, max_size=3).map(tuple), st.none() | RUNS)
def test_green_is_earned(runs: tuple[CheckRun, ...], base: CheckRun | None) -> None:
    """Whatever the runs: passed only if all of them are green, no new failures only if every failure was there before."""
    found, why = judge(runs, base)
    assert why
    if found == "passed":
        assert runs
        assert all(one.exit_code == 0 and one.total != 0 and not (one.timed_out or one.failures) for one in runs)
    if found == "no_new_failures":
        assert base is not None
        assert {failure for one in runs for failure in one.failures} <= set(base.failures)


OTHER = {"output": ArtifactRef(digest=sha256(b"1 passed in 0.2s"), size=16), "tail": "1 passed in 0.2s", "seconds": 7}


def whole(**measured: Any) -> TestReport:
    """A report with a run in each of its places."""
    again = run(**measured)
    seconds = int(measured.get("seconds", 0))
    proof = Proof(referee=again, own=OwnTests(files=(), run=again), sabotage=Sabotage(seconds=seconds), seconds=seconds)
    return report((again,), again, None, "", proof=proof)


def test_an_approval_is_of_what_a_check_showed_and_not_of_how_long_it_took() -> None:
    """The same check run again is the same report, in all its parts, also one that was stopped; another end is another one."""
    assert judged(whole()) == judged(whole(**OTHER))
    assert whole().stored() != whole(**OTHER).stored()
    late = [report((run(None, timed_out=True, seconds=took),), GREEN, None, "") for took in (9, 10)]
    assert judged(late[0]) == judged(late[1])
    others = [whole(), whole(exit_code=1), whole(failures=("t::a",)), whole(total=4), whole(tree="u"), whole(command="make")]
    others += [report((GREEN,), GREEN, None, "", proof=Proof(flaky=("t::a",))), late[0]]
    assert len({judged(one) for one in others}) == len(others)
