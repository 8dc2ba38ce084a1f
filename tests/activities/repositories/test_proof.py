"""What further runs of a check show: two runs laid side by side, verdict, facts and risk, and the bounds of sabotage."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.repositories import outcomes
from activities.repositories.check_run import Ran
from activities.repositories.junit import Results
from activities.repositories.sabotage import Region
from activities.repositories.trial import SabotageLimits, Trial
from activities.repositories.verdict import judge, report
from activities.sandbox import AS_SHIPPED, Completed, Sandbox
from contracts.base import ArtifactRef, sha256
from contracts.check_limits import CheckLimits
from contracts.delivery.proof import Judging, OwnTests, Proof, Sabotage, Sabotaged
from contracts.delivery.testing import Verdict
from contracts.repositories import CheckRun
from ledger.db import Ledger
from tests import ledgers
from tests.hostile.judging import Bench
from tests.hostile.lies import BASE, BETTER, BROKEN, PRICING
from workflows.delivery.proof_facts import proof_facts, proof_risks
from workflows.kit.options import PROOF

OUTPUT = ArtifactRef(digest=sha256(b""), size=0)


def run(failures: Sequence[str] = (), reasons: Sequence[str] = (), **more: Any) -> CheckRun:
    """One run of a check, red if something failed."""
    values = {"command": "pytest -q", "tree": "t", "output": OUTPUT, "exit_code": int(bool(failures)), "total": 5} | more
    return CheckRun(failures=tuple(failures), reasons=tuple(reasons), **values)


def ran(reasons: dict[str, str] | None = None, exit_code: int | None = None, **more: Any) -> Ran:
    """The same as it comes from the sandbox; None: a command that reports no single tests."""
    code = int(bool(reasons)) if exit_code is None else exit_code
    completed = Completed(code, more.pop("output", b""), False, more.pop("timed_out", False), timedelta(seconds=1))
    told = dict.fromkeys(more.pop("passed", ("t::z",)), "passed") | dict.fromkeys(reasons or {}, "failed")
    results = None if reasons is None else Results(len(told), told, reasons)
    return Ran("pytest -q", completed, results)


NEW = [
    ("the same", ("t::a",), ("1",), ("t::a",), ("1",), (), ()),
    ("another test", ("t::b",), ("1",), ("t::a",), ("1",), ("t::b",), ()),
    ("another reason", ("t::a",), ("2",), ("t::a",), ("1",), (), ("t::a",)),
    ("a sub-test more", ("t::a",), ("1,1",), ("t::a",), ("1",), (), ("t::a",)),
    ("a sub-test less", ("t::a",), ("1",), ("t::a",), ("1,2",), (), ()),
    ("a base of before, without reasons", ("t::a",), ("2",), ("t::a",), (), (), ()),
    ("a base without a failure", ("t::a",), ("2",), (), (), ("t::a",), ()),
]


@pytest.mark.parametrize(
    ("names", "reasons", "before", "why", "new", "other"), [row[1:] for row in NEW], ids=[row[0] for row in NEW]
)
def test_failures_are_compared_by_id_and_reason(
    names: Sequence[str],
    reasons: Sequence[str],
    before: Sequence[str],
    why: Sequence[str],
    new: tuple[str, ...],
    other: tuple[str, ...],
) -> None:
    """New is another id; an old id with another reason, or more often, is no old failure either."""
    assert outcomes.new_failures((run(names, reasons),), run(before, why)) == (new, other)
    verdict, said = judge((run(names, reasons),), run(before, why))
    assert verdict == ("failed" if new or other else "no_new_failures")
    assert ("for another reason" in said) is bool(other)


def test_a_test_that_was_red_before_notices_by_its_reason() -> None:
    """Of a red change: another test, another reason or another end shows that the fault was met; the same end shows nothing."""
    change = run(("t::a",), ("1",))
    seen = [ran({"t::a": "1"}), ran({"t::a": "2"}), ran({"t::a": "1", "t::b": "1"}), ran({"t::a": "1"}, exit_code=2), ran()]
    assert [outcomes.noticed(one, change) for one in seen] == [False, True, True, True, True]


def test_an_early_stop_is_not_comparable() -> None:
    """With -x one failure hides all others: that the first is an old one says nothing."""
    stopped = run(("t::a",), ("1",), stopped_early=True)
    verdict, why = judge((stopped,), stopped)
    assert verdict == "failed"
    assert "a run stopped before all tests had run" in why


def test_a_missing_report_is_said() -> None:
    """Exit code 0 without a report is no pass, and says why there is none."""
    assert judge((run(exit_code=0, total=0, report="no report was written"),), run()) == (
        "failed",
        "pytest -q: no test was reported (exit code 0): no report was written",
    )


def test_tests_that_do_not_count_any_more() -> None:
    """Each with what became of it; what was skipped before, or was added, is no loss."""
    before = {"a": "passed", "b": "passed", "c": "failed", "d": "skipped", "e": "passed"}
    after = {"a": "passed", "b": "skipped", "c": "xfailed", "f": "passed"}
    assert outcomes.gone(before, after) == [
        "b is skipped now",
        "c is expected to fail now",
        "e does not run any more",
    ]
    assert outcomes.gone(before, {}) == []


def test_what_the_base_overrules() -> None:
    """Tests of the base that fail on the change; the old failures do not count, and a run that breaks off does."""
    base, before = run(("t::old",), ("1",)), {"t::old": "failed", "t::a": "passed"}
    assert outcomes.overruled(ran({"t::old": "1", "t::a": "2"}), base, before) == ["t::a"]
    assert outcomes.overruled(ran({"t::old": "1"}), base, before) == []
    assert outcomes.overruled(ran({}, 4), run(), {}) == ["pytest -q: exit code 4"]
    assert outcomes.overruled(ran(None, 1), run(total=None), {}) == ["pytest -q: exit code 1"]
    assert outcomes.overruled(ran(None, 1), run(total=None, exit_code=1), {}) == []


def test_what_own_tests_prove() -> None:
    """Those that fail on the base's source and pass on the change's; a module that does not load there counts by its tests."""
    after = {"t.new::a": "passed", "t.new::b": "passed", "t.other::c": "passed", "t::d": "failed"}
    assert outcomes.proving(ran({"t.new": "1"}), run(), run(), {}, after) == (["t.new::a", "t.new::b"], 2)
    assert outcomes.proving(ran({"t.other::c": "1", "t::d": "1"}), run(), run(), {}, after) == (["t.other::c"], 1)
    assert outcomes.proving(ran({}), run(), run(), {}, after) == ([], 0)
    plain = run(total=None)
    assert outcomes.proving(ran(None, 1), plain, plain, {}, {}) == ([], 1)
    assert outcomes.proving(ran(None, 0), plain, plain, {}, {}) == ([], 0)


NOTICED = Sabotaged(path="a.py", lines="1", noticed=True)
UNNOTICED = Sabotaged(path="a.py", lines="7-8", where="f", noticed=False)
FLAKY = Proof(flaky=("t::a",), flaky_on_base=("t::a",))
TEST = Judging(path="tests/test_a.py", kind="test", status="modified", lines="3")
ADDED = TEST.model_copy(update={"status": "added"})
WEAKER = TEST.model_copy(update={"notes": ("a test is gone: line 1 of the base: x",)})
SETTINGS = Judging(path="pytest.ini", kind="configuration", status="added")
OWN = OwnTests(files=("tests/test_a.py",), run=run())

TWO = OWN.model_copy(update={"count": 2})
OVERRULED = Proof(overruled=("t::a",), overruled_count=1, referee=run(("t::a",)))
AGREES = Proof(referee=run(("t::a",)))
SOME = Proof(sabotage=Sabotage(tried=(NOTICED, UNNOTICED)))

PROOFS: list[tuple[str, Proof, Verdict, int, str]] = [
    ("nothing found", Proof(), "passed", 0, ""),
    ("a test added", Proof(judging=(ADDED,), judging_count=1), "passed", 0, "added tests/test_a.py (tests, lines 3)"),
    ("a test edited", Proof(judging=(TEST,), judging_count=1), "passed", 1, "modified tests/test_a.py (tests, lines 3)"),
    ("a test weakened", Proof(judging=(WEAKER,), judging_count=1), "passed", 2, "a test is gone: line 1 of the base"),
    ("settings", Proof(judging=(SETTINGS,), judging_count=1), "passed", 2, "added pytest.ini (configuration)"),
    ("many files", Proof(judging=(ADDED,) * 11, judging_count=40), "passed", 1, "and 30 more changed files that judge"),
    ("tests gone", Proof(gone=("t::a is skipped now",), gone_count=1), "passed", 2, "do not now (1): t::a is skipped now"),
    (
        "overruled",
        OVERRULED,
        "not_proven",
        2,
        "1 test FAILS on the change: t::a",
    ),
    ("the base agrees", Proof(referee=run()), "passed", 0, "put back: 5 tests ran on the change and none failed"),
    (
        "the base agrees with its old failures",
        Proof(referee=run(("t::a",))),
        "passed",
        0,
        "only tests that also fail on the base",
    ),
    (
        "own tests prove",
        Proof(own=TWO),
        "passed",
        0,
        "2 fail on the base's source and pass on the change",
    ),
    ("own tests prove nothing", Proof(own=OWN), "passed", 1, "prove nothing"),
    ("all noticed", Proof(sabotage=Sabotage(tried=(NOTICED,))), "passed", 0, "the check noticed 1 of 1 place"),
    (
        "some noticed",
        SOME,
        "passed",
        1,
        "no test notices when these changed lines raise an error, or the file is emptied: a.py:7-8 (f)",
    ),
    ("none noticed", Proof(sabotage=Sabotage(tried=(UNNOTICED,))), "not_proven", 2, "the check noticed 0 of 1 place"),
    (
        "no time",
        Proof(sabotage=Sabotage(untried=("a.py:1",))),
        "passed",
        1,
        "not tried, because they are too many or take too long: a.py:1",
    ),
    (
        "another language",
        Proof(sabotage=Sabotage(languages=("a.kt",))),
        "passed",
        1,
        "lines of this language cannot be made to raise an error: a.kt",
    ),
    (
        "an error cannot be raised",
        Proof(sabotage=Sabotage(unbroken=("a.rs:1",))),
        "passed",
        1,
        "not tried, because an error cannot be raised there, or the check fails on the copy without one: a.rs:1",
    ),
    ("flaky", FLAKY, "passed", 1, "ended in different ways on the same files: t::a; on the base, too: t::a"),
    ("imports", Proof(imported=("a.py",)), "passed", 1, "changed, and may be a part of what checks: a.py"),
]


@pytest.mark.parametrize(("proof", "verdict", "level", "fact"), [row[1:] for row in PROOFS], ids=[row[0] for row in PROOFS])
def test_what_a_proof_means_for_a_green_check(proof: Proof, verdict: Verdict, level: int, fact: str) -> None:
    """Verdict, least risk, and the fact at the gate. A reason stands beside every risk above low."""
    made = report((run(),), run(), None, "", proof=proof)
    found, reasons = proof_risks(made)
    assert (made.verdict, found) == (verdict, level)
    assert fact in "\n".join(proof_facts(made))
    assert bool(reasons) is bool(level)


def test_a_check_of_the_planners_is_named() -> None:
    """An agent that chose the check is said at the gate, and the risk is not low."""
    made = report((run(),), run(), None, "", declared="planner")
    assert "the check was declared by the planner" in "\n".join(proof_facts(made))
    assert proof_risks(made) == (1, ("an agent declared the check",))
    assert proof_risks(report((run(),), run(), None, "", declared="person")) == (0, ())


def test_a_check_whose_shape_hides_failures_is_named() -> None:
    """What its command hides is said at the gate, and the risk is not low; a pipe hides nothing."""
    made = report((run(command="pytest -q || true"),), run(), None, "")
    said = "pytest -q || true: this check can hide failures: after || another command decides how it ends: true"
    assert said in proof_facts(made)
    assert proof_risks(made) == (1, ("the check's command can hide failures",))
    assert proof_risks(report((run(command="pytest -q | tee log"),), run(), None, "")) == (0, ())


def test_a_failure_that_is_flaky_on_the_base_too_is_no_new_one() -> None:
    """Only where the base showed it as well; a test that got flaky by the change is a failure."""
    red = run(("t::a",), ("1",))
    told = "1 test fails, and it failed on the base, too; flaky, and not so there in every run: t::a"
    assert judge((red,), run(), FLAKY) == ("no_new_failures", told)
    assert judge((red,), run(), FLAKY.model_copy(update={"flaky_on_base": ()}))[0] == "failed"


TOKEN = "0123456789abcdef"
RUN = f"BaseException: {TOKEN}".encode()
"""What a check prints where the fault was run."""


class Scripted(Trial):
    """A trial whose runs are given, one after the other."""

    def __init__(self, *runs: Ran) -> None:
        super().__init__(Sandbox(Path("none")), None, None, "pytest -q", None, lambda: TOKEN)  # type: ignore[arg-type]
        self.runs = list(runs)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def run(self, tree: str, limit: timedelta | None = None, options: Sequence[str] = (), prepare: Any = None) -> Ran:
        """The next one."""
        self.asked.append((tree, tuple(options)))
        return self.runs.pop(0)


async def test_flaky_tests_are_run_again_on_both_sides() -> None:
    """What passes when run again is flaky; then the base is run again too, and what fails there is flaky there as well."""
    trial = Scripted(ran({"a": "1"}, passed=("b",)), ran({"a": "1", "b": "1"}), ran({}), ran({"b": "1"}))
    assert await trial.flaky("change", "base", ("a", "b"), {}) == (("b",), ("b",))
    assert [tree for tree, _ in trial.asked] == ["change", "change", "base", "base"]
    steady = Scripted(ran({"a": "1"}), ran({"a": "1"}))
    assert await steady.flaky("change", "base", ("a",), {}) == ((), ())


async def test_a_reason_that_changes_on_the_base_is_no_other_reason() -> None:
    """Only the base is run again: it says whether the reason of an old failure changes by itself."""
    trial = Scripted(ran({"a": "1", "b": "1"}), ran({"a": "2", "b": "1"}))
    assert await trial.flaky("change", "base", (), {"a": "1", "b": "1"}) == (("a",), ("a",))
    assert [tree for tree, _ in trial.asked] == ["base", "base"]


PLACES = tuple(Region("a.py", (number,)) for number in range(5))


async def test_sabotage_has_a_bound_of_places() -> None:
    """So many are tried, the others are named; the first failure is enough to know where there was none before."""
    trial = Scripted(ran({"t::a": "1"}, output=RUN), ran({}))
    found = await trial.sabotaged("t", run(), PLACES, SabotageLimits(places=2))
    assert [one.noticed for one in found.tried] == [True, False]
    assert found.untried == ("a.py:2", "a.py:3", "a.py:4")
    assert trial.asked == [("t", ("-x",))] * 2
    red = run(("t::old",), ("1",))
    trial = Scripted(ran({"t::old": "1"}), ran({"t::old": "1", "t::a": "1"}, output=RUN))
    found = await trial.sabotaged("t", red, PLACES, SabotageLimits(places=2))
    assert ([one.noticed for one in found.tried], trial.asked[0]) == ([False, True], ("t", ()))


RED, GREEN = {"t::a": "1"}, dict[str, str]()

UNSAID = [
    ("the fault was run", (ran(RED, output=RUN),), "tried"),
    ("its message was kept from the output, and the copy works", (ran(RED), ran(GREEN)), "tried"),
    ("the copy does not build", (ran(None, 1), ran(None, 1)), "unbroken"),
    ("a style check does not like the statement", (ran(RED), ran(RED)), "unbroken"),
    ("the source line is quoted", (ran(RED, output=b'raise BaseException("01234567" + "89abcdef")'), ran(RED)), "unbroken"),
]


@pytest.mark.parametrize(("runs", "where"), [row[1:] for row in UNSAID], ids=[row[0] for row in UNSAID])
async def test_a_check_that_fails_for_another_reason_has_noticed_nothing(runs: Sequence[Ran], where: str) -> None:
    """A red run counts where the fault was run, or where the same file passes with a fault that is never run."""
    trial = Scripted(*runs)
    found = await trial.sabotaged("t", run(), PLACES[:1], SabotageLimits())
    assert ([one.noticed for one in found.tried], found.unbroken) == (([True], ()) if where == "tried" else ([], ("a.py:0",)))
    assert (trial.runs, found.untried) == ([], ())


async def test_what_cannot_be_broken_takes_no_run() -> None:
    """It is named, and the others have all the places."""
    trial = Scripted(ran({"t::a": "1"}, output=RUN))
    places = (Region("a.rs", (7,), breakable=False), *PLACES[:1])
    found = await trial.sabotaged("t", run(), places, SabotageLimits(places=1))
    assert (found.unbroken, [one.noticed for one in found.tried], found.untried) == (("a.rs:7",), [True], ())


async def test_sabotage_has_a_bound_of_time() -> None:
    """Where the time is over nothing more is tried, and all that is left is named."""
    found = await Scripted().sabotaged("t", run(), PLACES, SabotageLimits(total=timedelta(0)))
    assert (found.tried, len(found.untried)) == ((), 5)
    assert not found.proves_nothing


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A machine on which changes are judged."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "artifacts")
    ledgers.migrate(ledger)
    yield Bench(tmp_path, ledger)
    ledger.close()


async def test_without_places_no_line_is_made_to_raise(tmp_path: Path, bench: Bench) -> None:
    """Turned off by the setting it says so, and the rest is proven all the same."""
    bench = Bench(tmp_path / "off", bench.ledger, SabotageLimits(places=0))
    found = await bench.judge(BASE, {"shop/pricing.py": BETTER})
    assert found.report.verdict == "passed"
    assert "not tried, because they are too many or take too long: shop/pricing.py:2" in found.facts
    assert found.risk == "medium"


async def test_an_old_failure_with_a_reason_that_changes_by_itself_is_an_old_one(bench: Bench) -> None:
    """It is named as flaky, and neither held against the change nor passed over."""
    noise = "import os\n\n\ndef test_noise():\n    raise ValueError(os.urandom(8).hex())\n"
    found = await bench.judge(BASE | {"tests/test_noise.py": noise}, {"shop/pricing.py": BETTER})
    assert (found.report.verdict, found.report.new_failures) == ("no_new_failures", ())
    assert "on the base, too: tests.test_noise::test_noise" in found.facts


async def test_an_old_failure_with_another_reason_is_a_new_one(bench: Bench) -> None:
    """A test that failed on the base fails on the change because of the change: that is said."""
    old = "from shop.pricing import total\n\n\ndef test_old():\n    assert total([1, 2]) == 4\n"
    worse = PRICING.replace("sum(prices)", "prices.sum")
    found = await bench.judge({**BASE, "tests/test_pricing.py": old}, {"shop/pricing.py": worse})
    assert (found.report.verdict, found.report.failed_before) == ("failed", ("tests.test_pricing::test_old",))
    said = "tests.test_pricing::test_old failed on the base too, but for another reason or less often"
    assert (said in found.report.why, found.report.new_failures) == (True, ())


async def test_each_changed_file_has_its_turn(bench: Bench) -> None:
    """A large new module takes no place away from the line that matters: the first place of each file comes first."""
    bench = Bench(bench.folder / "few", bench.ledger, SabotageLimits(places=2))
    many = "".join(f"def f{number}():\n    return 1\n\n\n" for number in range(5))
    found = await bench.judge(BASE, {"shop/many.py": many, "shop/pricing.py": BETTER})
    assert found.report.verdict == "passed"
    assert "the check noticed 1 of 2 places" in found.facts
    assert (
        "no test notices when these changed lines raise an error, or the file is emptied: shop/many.py:1-2 (f0)" in found.facts
    )
    assert "shop/many.py:5-6, shop/many.py:9-10, shop/many.py:13-14" in found.facts


async def test_an_edited_test_does_not_decide(bench: Bench) -> None:
    """A test that was bent to a defect passes; as the base has it, it fails on the change, and that is what counts."""
    bent = BASE["tests/test_pricing.py"].replace("== 500", "== 950")
    found = await bench.judge(BASE, {"shop/pricing.py": BROKEN, "tests/test_pricing.py": bent})
    proof = found.report.proof
    assert found.report.verdict == "not_proven"
    assert proof is not None
    assert (proof.overruled, proof.overruled_count) == (("tests.test_pricing::test_half",), 1)
    assert proof.referee is not None
    assert proof.referee.failures == proof.overruled


class Noting(Sandbox):
    """A real sandbox that notes how long each command may take."""

    def __init__(self, bubblewrap: Path, limits: CheckLimits = AS_SHIPPED) -> None:
        super().__init__(bubblewrap, limits)
        self.noted: list[timedelta | None] = []

    async def run(self, argv: Sequence[str], **more: Any) -> Completed:
        self.noted.append(more.get("timeout"))
        return await super().run(argv, **more)


async def test_further_runs_may_take_as_long_as_the_check(bench: Bench) -> None:
    """A check that the settings give hours is not cut short where it proves something: only sabotaged runs have less."""
    sandbox = Noting.find(limits=CheckLimits(time=timedelta(hours=3)))
    assert isinstance(sandbox, Noting)
    bench = Bench(bench.folder / "slow", bench.ledger, SabotageLimits(places=0), sandbox)
    bent = BASE["tests/test_pricing.py"].replace("== 500", "== 500.0")
    found = await bench.judge(BASE, {"shop/pricing.py": BETTER, "tests/test_pricing.py": bent})
    assert found.report.proof is not None
    assert found.report.proof.referee is not None
    assert found.report.proof.own is not None
    assert sandbox.noted == [None] * 4
    assert sandbox.time == timedelta(hours=3)
    longest = timedelta(hours=12)  # that the setting takes
    assert PROOF["start_to_close_timeout"] > 7 * longest
