"""The check runs on the base before a model is paid: what cannot run opens a gate that says why, with what to do about it."""

import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from contracts.gates import GateView
from tests.depth import soak
from tests.scripts import a_tester, answer, edit, item, plan, says, writer
from tests.stack import Stack, git, result_of, sample
from tests.wheels import wheel, wheelhouse
from tests.workflows.conftest import Start
from tests.workflows.test_delivery import activities

FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
WHOLE = (PLANNER, writer("fix", FIX), a_tester())

Run = WorkflowHandle[Any, Any]


async def stuck(stack: Stack, run: Run, title: str) -> GateView:
    """The gate that the base opens, before any model was asked."""
    view = await stack.next_gate(run)
    assert (view.kind, view.title) == ("stuck", title), view
    assert await activities(run, "call_model") == 0
    return view


Unusable = tuple[dict[str, str], dict[str, Any], str, str, str]

SAME: tuple[Unusable, ...] = (
    ({}, {"check": "./README.md"}, "cannot run", "./README.md cannot be executed (exit code 126)", "chmod=+x"),
    (
        {},
        {"check": "sh -c nothere"},
        "cannot run",
        "sh started, but nothere was not found (exit code 127)",
        "the program nothere is not",
    ),
    (
        {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--mypy'\n"},
        {},
        "cannot run",
        "a usage error) (exit code 4)",
        "pytest does not know --mypy",
    ),
    ({}, {"check": "pytest -q shop"}, "cannot run", "pytest found no tests (exit code 5)", "name the folder of the tests"),
    (
        {"tests/test_more.py": "import notthere\n"},
        {},
        "cannot run",
        "collection errors) (exit code 2)",
        "the Python package notthere is not in the environment",
    ),
    (
        {"shop/pricing.py": "def discounted(a, b): 1\ndef total(a): 2\n"},
        {},
        "nothing passes",
        "all 4 tests fail",
        "mend the base",
    ),
)
"""More of the kinds below; what each is taken for is `tests/activities/repositories/test_usability.py`'s."""

UNUSABLE: tuple[Unusable, ...] = (
    ({}, {"check": "pyest -q"}, "cannot run", "pyest -q: pyest was not found (exit code 127)", "correct the command"),
    ({}, {"check": "pytest --frobnicate"}, "cannot run", "a usage error) (exit code 4)", "pytest does not know --frobnicate"),
    ({"Makefile": "test:\n\tkill -9 $$PPID\n"}, {"check": "make test"}, "cannot run", "ended by signal 9", "memory_mib"),
    (
        {},
        {"environment": "/no/such/place"},
        "cannot run",
        "environment /no/such/place cannot be mounted",
        "name the same check",
    ),
    ({}, {"check": "pytest -q -k half"}, "nothing passes", "the only test fails", "mend the base first"),
    ({"Makefile": "test:\n\tfalse\n"}, {"check": "make test"}, "nothing passes", "exit code 2", "mend the base first"),
    *soak(*SAME),
)


async def test_a_check_that_proves_nothing_opens_a_gate_before_money(start: Start, tmp_path: Path) -> None:
    """The gate says what happened, what mends it, the command and the layout; rejected, the run ends and nobody was paid."""
    async with start(check=None) as stack:
        origins = [sample(tmp_path / f"sample-{number}", row[0]) for number, row in enumerate(UNUSABLE)]
        runs = [await stack.deliver(origin, **row[1]) for origin, row in zip(origins, UNUSABLE, strict=True)]
        for run, origin, row in zip(runs, origins, UNUSABLE, strict=True):
            await _proves_nothing(stack, run, row)
            assert git(origin, "branch", "--list").split() == ["*", "main"], row


async def _proves_nothing(stack: Stack, run: Run, row: Unusable) -> None:
    _, _, title, why, mend = row
    view = await stuck(stack, run, f"{'the check cannot run' if 'cannot' in title else title} on the base")
    assert why in view.facts[0], row
    assert mend in view.facts[1], row
    assert any(fact.startswith("check: ") for fact in view.facts), row
    assert "layout: Python at the root (flat layout): shop" in view.facts, row
    assert [one.id for one in view.changes] == ["check", "environment"], row
    await stack.decide(view, "reject", note="not now")
    report = await result_of(run)
    assert await activities(run, "call_model") == 0, row
    assert (report.state, report.usd_micros, report.tokens) == ("could_not", 0, 0), row
    assert "reject by maria: not now" in report.reason, row


async def test_approved_it_goes_on_without_a_check_and_says_so(start: Start, tmp_path: Path) -> None:
    """Nothing is called passed: the plan gate does not ask for a check again, and the change gate says who went on."""
    origin = sample(tmp_path / "sample", {"tests/test_more.py": "import notthere\n"})
    async with start(*WHOLE, check=None) as stack:
        run = await stack.deliver(origin, branch="fix")
        await stack.decide(await stuck(stack, run, "the check cannot run on the base"))
        plan_view = await stack.approve(run, "plan-1")
        change = await stack.approve(run, "change-1")
        report = await result_of(run)
        assert await activities(run, "run_checks") == 1
    assert (report.state, report.tests.verdict) == ("done", "not_run")
    assert plan_view.questions == ()
    assert any(fact.startswith("check: none; maria went on at stuck-1 without one: pytest -q: ") for fact in plan_view.facts)
    assert any(fact.startswith("maria went on at stuck-1 without one") for fact in change.facts)
    assert change.risk.startswith("high")


NAMING: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"check": "pytest -q shop"}, {"note": "check: pytest -q tests\nthere they are"}, "pytest -q tests"),
    ({"environment": "/no/such"}, {"note": "x", "answers": {"environment": sys.prefix, "check": " "}}, "pytest -q"),
    *soak(({"environment": "/no/such"}, {"note": f"Environment: {sys.prefix}"}, "pytest -q")),
]


async def test_another_check_or_environment_is_tried(start: Start, tmp_path: Path) -> None:
    """What a person names runs on the base at once, and is what the plan gate says."""
    origin = sample(tmp_path / "sample")
    async with start(*WHOLE, check=None) as stack:
        for asked, named, check in NAMING:
            run = await stack.deliver(origin, branch="fix", **asked)
            view = await stuck(stack, run, "the check cannot run on the base")
            await stack.decide(view, "request_changes", **named)
            shown = await stack.gate(run, "plan-1")
            assert await activities(run, "run_checks") == 2
            await stack.decide(shown, "reject", note="enough")
            await result_of(run)
            wanted = [one for one in shown.facts if one.startswith(f"check: {check}") and "4 tests ran, 1 failed" in one]
            assert wanted, shown.facts


async def test_another_check_proves_the_change(start: Start, tmp_path: Path) -> None:
    """What a person named at the gate is what runs on the change in the end. It is red, and approved: where all that failed
    ran, the change may mend it, and the check is kept and proves it."""
    origin = sample(tmp_path / "sample")
    async with start(*WHOLE, check=None) as stack:
        run = await stack.deliver(origin, branch="fix", check="pyest")
        view = await stuck(stack, run, "the check cannot run on the base")
        await stack.decide(view, "request_changes", note="a typing error", answers={"check": "pytest -q -k half"})
        await stack.decide(await stuck(stack, run, "nothing passes on the base"))
        view = await stack.approve(run, "plan-1")
        assert any("the only test fails; maria went on at stuck-2" in fact for fact in view.facts)
        await stack.approve(run, "change-1")
        report = await result_of(run)
        assert await activities(run, "run_checks") == 3
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert [one.command for one in report.tests.runs] == ["pytest -q -k half"]
    assert report.tests.fixed == ("tests.test_pricing::test_half_a_cent_rounds_up",)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's pip finds what it needs in this folder, and nothing anywhere else."""
    house = wheelhouse(tmp_path / "wheels")
    wheel(house, "prices", "1.0", {"prices.py": "VALUE = 7\n"})
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(house), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return house


USES = "import prices\n\ndef test_value(): assert prices.VALUE == 7\n"
PREPARE = {"environment": "prepare"}


@pytest.mark.usefixtures("offline")
async def test_an_environment_is_made_at_the_gate_and_proves_the_change(start: Start, tmp_path: Path) -> None:
    """`prepare` lists what is declared; the same answer to that list installs it; all further runs find the package."""
    origin = sample(tmp_path / "sample", {"requirements.txt": "prices\n", "tests/test_more.py": USES})
    async with start(*WHOLE, check=None) as stack:
        run = await stack.deliver(origin, branch="fix")
        view = await stuck(stack, run, "the check cannot run on the base")
        assert "`--answer environment=prepare`" in view.facts[1]
        assert any(fact.startswith("needs: Python packages that requirements.txt names: prices;") for fact in view.facts)
        await stack.decide(view, "request_changes", note="what is it?", answers=PREPARE)
        listed = await stack.gate(run, "stuck-2")
        assert {"Python: prices, pytest", "named in: requirements.txt"} < set(listed.facts)
        assert not (stack.settings.environments).exists()
        await stack.decide(listed, "request_changes", note="good", answers=PREPARE)
        assert (await stack.approve(run, "plan-1")).kind == "plan"
        await stack.approve(run, "change-1")
        report = await result_of(run)
        assert await activities(run, "prepare_environment") == 2
        made = [one for one in stack.settings.environments.iterdir() if one.is_dir()]
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert report.tests.base.total == 5
    assert len(made) == 1


@pytest.mark.usefixtures("offline")
async def test_an_environment_that_cannot_be_made_asks_again(start: Start, tmp_path: Path) -> None:
    """pip's own words stand at the next gate with the list, which can be tried again; nothing declared is said."""
    origin = sample(tmp_path / "sample", {"requirements.txt": "prices\nnot-there-at-all\n", "tests/test_more.py": USES})
    async with start(*WHOLE, check=None) as stack:
        run = await stack.deliver(origin, branch="fix")
        await stack.decide(await stack.gate(run, "stuck-1"), "request_changes", note="environment: prepare")
        await stack.decide(await stack.gate(run, "stuck-2"), "request_changes", note="environment: prepare")
        again = await stack.gate(run, "stuck-3")
        assert any("pip could not install" in fact and "not-there-at-all" in fact for fact in again.facts), again.facts
        assert "Python: prices, not-there-at-all, pytest" in again.facts
        await stack.decide(again, "reject", note="no")
        assert (await result_of(run)).state == "could_not"
        bare = sample(tmp_path / "bare", {"tests/test_more.py": USES})
        run = await stack.deliver(bare, branch="fix")
        await stack.decide(await stack.gate(run, "stuck-1"), "request_changes", note="environment: prepare")
        assert any(fact.startswith("nothing to install") for fact in (await stack.gate(run, "stuck-2")).facts)


async def test_a_check_that_is_no_better_asks_again(start: Start, tmp_path: Path) -> None:
    """A second one that cannot run opens the next gate; 'none' goes on without; a note that names nothing is said so."""
    origin = sample(tmp_path / "sample")
    async with start(*WHOLE, check=None) as stack:
        run = await stack.deliver(origin, check="pyest")
        await stack.decide(await stack.gate(run, "stuck-1"), "request_changes", note="try the other one")
        again = await stack.gate(run, "stuck-2")
        assert "maria asked for changes, but named neither check nor environment: try the other one" in again.facts
        await stack.decide(again, "request_changes", note="so", answers={"check": "tox -q"})
        third = await stack.gate(run, "stuck-3")
        assert third.facts[0] == "tox -q: tox was not found (exit code 127)"
        assert "check: tox -q (named by maria at stuck-2)" in third.facts
        assert await activities(run, "call_model") == 0
        await stack.decide(third, "request_changes", note="so", answers={"check": "None"})
        view = await stack.gate(run, "plan-1")
        assert "check: none; maria at stuck-3 named none" in view.facts
        await stack.decide(view, "reject", note="enough")
        await result_of(run)


async def test_without_a_sandbox_a_person_is_asked(start: Start, tmp_path: Path) -> None:
    """A worker that cannot run any check says so at the gate, and what to do; nothing is paid."""
    origin = sample(tmp_path / "sample")
    async with start(*WHOLE, check=None, bubblewrap=Path("/no/such/bwrap")) as stack:
        run = await stack.deliver(origin)
        view = await stuck(stack, run, "the check cannot run on the base")
        assert view.facts[0].startswith("pytest -q: this worker has no sandbox")
        assert "baton doctor" in view.facts[0]
        await stack.decide(view)
        await stack.decide(await stack.gate(run, "plan-1"), "reject", note="enough")
        assert (await result_of(run)).state == "could_not"


@pytest.mark.parametrize("check", ["pyest -q", *soak("pytest -q -k half", "pytest -q nowhere")])
async def test_a_check_named_at_the_plan_gate_is_tried_before_the_writers(start: Start, tmp_path: Path, check: str) -> None:
    """Where no file names one the plan gate asks, and what is answered runs on the base before anything is written."""
    origin = sample(tmp_path / "sample")
    work = tmp_path / "sample" / "work"
    git(work, "rm", "--quiet", "-r", "pyproject.toml", "tests")
    (work / "half.py").write_text("def test_half(): assert 0\ndef test_one(): pass\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=No tests that say so")
    git(work, "push", "--quiet", str(origin), "main")
    async with start(*WHOLE, check=None) as stack:
        run = await stack.deliver(origin)
        view = await stack.gate(run, "plan-1")
        assert "check: none known; this gate asks for one" in view.facts
        assert "layout: Python at the root (flat layout): shop, half.py" in view.facts
        assert await activities(run, "run_checks") == 0
        await stack.decide(view, answers={"check": check})
        asked = await stack.gate(run, "stuck-1")
        assert f"check: {check} (named at the plan gate)" in asked.facts
        assert not [one async for one in stack.client.list_workflows(f"WorkflowId = '{run.id}.write.1.fix'")]
        await stack.decide(asked, "request_changes", note="x", answers={"check": "pytest -q half.py"})
        change = await stack.gate(run, "change-1")
        await stack.decide(change, "reject", note="enough")
        report = await result_of(run)
    assert [one.command for one in report.tests.runs] == ["pytest -q half.py"]
    assert (report.tests.verdict, report.tests.new_failures) == ("not_proven", ())  # no test of half.py reaches the change


async def test_with_an_environment_its_packages_are_named_and_no_other_one_is_offered(start: Start, tmp_path: Path) -> None:
    """What the project declares is what the named folder has to have: whether it does, this gate has not looked."""
    origin = sample(tmp_path / "sample", {"requirements.txt": "prices\n", "tests/test_more.py": USES})
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    async with start(check=None) as stack:
        run = await stack.deliver(origin, branch="fix", environment=str(tmp_path / "venv"))
        view = await stuck(stack, run, "the check cannot run on the base")
        await stack.decide(view, "reject", note="no")
        await result_of(run)
    assert "the environment has to have Python packages that requirements.txt names: prices" in view.facts
    assert not [fact for fact in view.facts if fact.startswith("needs: ")]
