"""The verdict on a change, computed from runs of the check. Pure; no model has a say in it."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from activities.repositories import outcomes, usability
from activities.repositories.junit import FAILURES_LIMIT
from contracts.base import canonical
from contracts.delivery.proof import Proof
from contracts.delivery.testing import Declared, TestReport, Verdict
from contracts.repositories import ChangeSet, CheckRun
from contracts.text import amount, amount_that


def report(
    runs: tuple[CheckRun, ...],
    base: CheckRun | None,
    added: ChangeSet | None,
    notes: str,
    *,
    proof: Proof | None = None,
    declared: Declared = "",
) -> TestReport:
    """Compare the runs on the change with the run on the base, and say what both prove."""
    failing = {one for run in runs for one in run.failures}
    before = set(base.failures) if base is not None else set()
    verdict, why = judge(runs, base, proof)
    new, _ = _steady(runs, base, proof)
    return TestReport(
        verdict=verdict,
        why=why,
        runs=runs,
        base=base,
        new_failures=new,
        failed_before=tuple(sorted(before)),
        # A test that no longer runs is not fixed: so only if no test went missing.
        fixed=tuple(sorted(before - failing)) if _all_named(runs) and not _missing(runs, base) else (),
        tests_added=tuple(change.path for change in added.files) if added is not None else (),
        left_out=added.outside if added is not None else (),
        notes=notes,
        proof=proof,
        declared=declared,
    )


MEASURED = frozenset({"seconds", "tail", "output"})
"""Fields of the report's runs that say how a run went and not what it showed: they differ each time the same check runs."""

_STOPPED_AFTER = re.compile(r"(: stopped after) \d+ s")


def judged(report: TestReport) -> bytes:
    """What of a report an approval is of: all of it but what was measured, so that the same check run again is the same."""
    told = _unmeasured(report.model_dump(mode="json"))
    return canonical(told | {"why": _STOPPED_AFTER.sub(r"\1 its time", report.why)})


def _unmeasured(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unmeasured(one) for name, one in value.items() if name not in MEASURED}
    return [_unmeasured(one) for one in value] if isinstance(value, list) else value


ANOTHER = "failed on the base too, but for another reason or less often"


def judge(runs: tuple[CheckRun, ...], base: CheckRun | None, proof: Proof | None = None) -> tuple[Verdict, str]:
    """The verdict and its reason. Without a run nothing has passed, and a green check that proves nothing has not either."""
    if not runs:
        return "not_run", "no check was run, so nothing is known"
    verdict, why = _colour(runs, base, proof)
    doubt = "" if proof is None or verdict == "failed" else _doubt(proof)
    return ("not_proven", f"{why}; but {doubt}") if doubt else (verdict, why)


def _colour(runs: tuple[CheckRun, ...], base: CheckRun | None, proof: Proof | None) -> tuple[Verdict, str]:
    """What the runs alone say."""
    if all(run.green for run in runs):
        return "passed", "; ".join(_counted(run) for run in runs) + _fewer(runs, base)
    red = [run for run in runs if not run.green]
    why = "; ".join(_why_red(run) for run in red)
    if base is None:
        return "failed", why
    failing = {one for run in red for one in run.failures}
    only_tests = all(run.failures and run.exit_code == outcomes.TESTS_FAILED for run in red) and _all_named(runs)
    new, other = _steady(red, base, proof)
    # Names prove something only if all tests ran, which pytest reports with its exit code for "some failed".
    if only_tests and not new and not other:
        incomparable = _incomparable(runs, base)
        if incomparable:
            return "failed", f"{why}; not comparable with the base: {incomparable}"
        return "no_new_failures", _as_before(failing, outcomes.new_failures(red, base))
    # Without names a red base cannot show that the change broke nothing.
    if base.total is None and not base.green:
        return "failed", "the check also fails on the base and does not report single tests; only a person can judge"
    return "failed", f"{why}; {', '.join(other[:5])} {ANOTHER}" if other else why


def _as_before(failing: Collection[str], flaky: tuple[Collection[str], Collection[str]]) -> str:
    """That the failures are old ones; `flaky` are those that the base showed only when it was run again."""
    who = "1 test fails, and it" if len(failing) == 1 else f"{len(failing)} tests fail, and all of them"
    told = f"{who} failed on the base, too"
    again = {*flaky[0], *flaky[1]}
    return told + (f"; flaky, and not so there in every run: {', '.join(sorted(again)[:5])}" if again else "")


def _steady(runs: Sequence[CheckRun], base: CheckRun | None, proof: Proof | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """New failures, and old ones for another reason, without those that come and go on the base as well."""
    flaky = set(proof.flaky_on_base) if proof is not None else set()
    new, other = outcomes.new_failures(runs, base)
    return tuple(name for name in new if name not in flaky), tuple(name for name in other if name not in flaky)


def _doubt(proof: Proof) -> str:
    """Why a check that is not red proves nothing; "" if there is no such reason."""
    if proof.overruled_count:
        named = ", ".join(proof.overruled[:5])
        tests = amount_that(proof.overruled_count, "test", "fails", "fail")
        return f"{tests} on the change as the base has {'it' if proof.overruled_count == 1 else 'them'}: {named}"
    if proof.sabotage is not None and proof.sabotage.proves_nothing:
        return "the check does not notice when the changed lines raise an error, or the changed files are emptied"
    return ""


def _incomparable(runs: tuple[CheckRun, ...], base: CheckRun) -> str:
    """Why failures of these runs say nothing next to those of the base; "" if they do."""
    if any(run.stopped_early for run in (*runs, base)):
        return "a run stopped before all tests had run (as with -x or --maxfail)"
    return _fewer(runs, base).removeprefix("; ")


def _all_named(runs: tuple[CheckRun, ...]) -> bool:
    """True if every run counted its tests and named all that failed."""
    return bool(runs) and all(run.total and not run.unnamed and len(run.failures) < FAILURES_LIMIT for run in runs)


def _missing(runs: tuple[CheckRun, ...], base: CheckRun | None) -> int:
    """By how many, at least, fewer tests ran than on the base: deleted, skipped, or no longer found."""
    if base is None:
        return 0
    same = [run.total for run in runs if run.total and run.command == base.command]
    return max([0, *((base.total or 0) - total for total in same)])


def _fewer(runs: tuple[CheckRun, ...], base: CheckRun | None) -> str:
    missing = _missing(runs, base)
    return f"; {amount(missing, 'fewer test')} ran than on the base" if missing else ""


def _counted(run: CheckRun) -> str:
    if not run.total:
        return f"{run.command}: exit code 0"
    return f"{run.command}: {amount(run.total, 'test')} ran and none failed" + (
        f"; {usability.EARLY}" if run.stopped_early else ""
    )


def _why_red(run: CheckRun) -> str:
    if run.timed_out:
        return f"{run.command}: stopped after {run.seconds} s"
    if run.exit_code is None:
        return f"{run.command}: it was stopped" + (f", {run.stopped}" if run.stopped else "")
    if run.total == 0:
        said = f": {run.report}" if run.report else ""
        return f"{run.command}: no test was reported (exit code {run.exit_code}){said}"
    ended = f", {run.stopped}" if run.stopped else ""
    if run.failures:
        failed = len(run.failures) + run.unnamed
        return f"{run.command}: {failed} of {amount(run.total or 0, 'test')} {'fails' if failed == 1 else 'fail'}{ended}"
    return f"{run.command}: exit code {run.exit_code}{ended}"
