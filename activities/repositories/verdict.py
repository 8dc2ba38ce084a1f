"""The verdict on a change, computed from runs of the check. Pure; no model has a say in it."""

from activities.repositories.junit import FAILURES_LIMIT
from contracts.delivery.testing import TestReport, Verdict
from contracts.repositories import ChangeSet, CheckRun

TESTS_FAILED = 1
"""pytest's exit code for "all ran, some failed"; every other code but 0 means that not all ran."""


def report(runs: tuple[CheckRun, ...], base: CheckRun | None, added: ChangeSet | None, notes: str) -> TestReport:
    """Compare the runs on the change with the run on the base."""
    failing = {one for run in runs for one in run.failures}
    before = set(base.failures) if base is not None else set()
    verdict, why = judge(runs, base)
    return TestReport(
        verdict=verdict,
        why=why,
        runs=runs,
        base=base,
        new_failures=tuple(sorted(failing - before)),
        failed_before=tuple(sorted(before)),
        # Names of passed tests are not stored, and a test that no longer runs is not fixed: so only if no test went missing.
        fixed=tuple(sorted(before - failing)) if _all_named(runs) and not _missing(runs, base) else (),
        tests_added=tuple(change.path for change in added.files) if added is not None else (),
        left_out=added.outside if added is not None else (),
        notes=notes,
    )


def judge(runs: tuple[CheckRun, ...], base: CheckRun | None) -> tuple[Verdict, str]:
    """The verdict and its reason. Without a run nothing has passed."""
    if not runs:
        return "not_run", "no check was run, so nothing is known"
    if all(run.green for run in runs):
        return "passed", "; ".join(_counted(run) for run in runs) + _fewer(runs, base)
    red = [run for run in runs if not run.green]
    if base is None:
        return "failed", "; ".join(_why_red(run) for run in red)
    failing = {one for run in red for one in run.failures}
    only_tests = all(run.failures and run.exit_code == TESTS_FAILED for run in red) and _all_named(runs)
    # Names prove something only if all tests ran, which pytest reports with its exit code for "some failed".
    if only_tests and failing <= set(base.failures):
        return "no_new_failures", f"{len(failing)} tests fail, and all of them failed on the base, too" + _fewer(runs, base)
    # Without names a red base cannot show that the change broke nothing.
    if base.total is None and not base.green:
        return "failed", "the check also fails on the base and does not report single tests; only a person can judge"
    return "failed", "; ".join(_why_red(run) for run in red)


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
    return f"; {missing} fewer tests ran than on the base" if missing else ""


def _counted(run: CheckRun) -> str:
    return f"{run.command}: {run.total} tests ran and none failed" if run.total else f"{run.command}: exit code 0"


def _why_red(run: CheckRun) -> str:
    if run.timed_out:
        return f"{run.command}: stopped after {run.seconds} s"
    if run.exit_code is None:
        return f"{run.command}: it was stopped"
    if run.total == 0:
        return f"{run.command}: no test was reported (exit code {run.exit_code})"
    if run.failures:
        return f"{run.command}: {len(run.failures) + run.unnamed} of {run.total} tests fail"
    return f"{run.command}: exit code {run.exit_code}"
