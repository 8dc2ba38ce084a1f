"""Two runs of a check laid side by side, test by test: what is gone, what is new, what proves something. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping

from activities.repositories.check_run import Ran
from contracts.repositories import CheckRun

Outcomes = Mapping[str, str]
"""How each test ended, by its id. Empty where single tests are not reported."""

TESTS_FAILED = 1
"""pytest's exit code for "all ran, some failed"; every other code but 0 means that not all ran."""


def failures_of(run: CheckRun) -> Counter[tuple[str, str]]:
    """Each failure as its id and its reason, as often as it came. A run of before has no reasons: then the id alone counts."""
    reasons = run.reasons or ("",) * len(run.failures)
    return Counter((name, reason) for name, each in zip(run.failures, reasons, strict=True) for reason in each.split(","))


def new_failures(runs: Collection[CheckRun], base: CheckRun | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tests that fail on the change and did not on the base; and those that did, for another reason or less often."""
    before = failures_of(base) if base is not None else Counter[tuple[str, str]]()
    # One side has no reasons, such as a run that an earlier version stored: only names can be compared then.
    if base is not None and not (base.reasons and all(run.reasons or not run.failures for run in runs)):
        before = Counter({(name, ""): 1 for name, _ in before})
        found = {(name, "") for run in runs for name, _ in failures_of(run)}
        left = Counter(found)
    else:
        left = Counter[tuple[str, str]]()
        for run in runs:
            # The greater count, not the sum: the same failure in several runs is one failure.
            left |= failures_of(run)
    names = {name for name, _ in left - before}
    known = {name for name, _ in before}
    return tuple(sorted(names - known)), tuple(sorted(names & known))


def gone(before: Outcomes, after: Outcomes) -> list[str]:
    """Tests that ran on the base and do not count any more, with what became of them."""
    # Single tests were not reported this time, so every one of them would look gone.
    if not after:
        return []
    counted = {name: how for name, how in before.items() if how in ("passed", "failed")}
    said = {"skipped": "is skipped now", "xfailed": "is expected to fail now"}
    left = {name: said.get(after[name], "") if name in after else "does not run any more" for name in counted}
    return [f"{name} {how}" for name, how in sorted(left.items()) if how]


def overruled(referee: Ran, base: CheckRun, before: Outcomes) -> list[str]:
    """Tests of the base that fail on the change's source, and did not on the base's. One name where none are reported."""
    if referee.results is None:
        return [] if green(referee) or not base.green else [f"{referee.command}: exit code {referee.exit_code}"]
    failed = [name for name in sorted(referee.results.reasons) if before.get(name) != "failed" and name not in base.failures]
    # Red without a failed test: it may have ended before any test ran, which is no agreement.
    if not failed and not green(referee) and base.green:
        return [f"{referee.command}: {referee.results.problem or f'exit code {referee.exit_code}'}"]
    return failed


def proving(own: Ran, change: CheckRun, base: CheckRun, before: Outcomes, after: Outcomes) -> tuple[list[str], int]:
    """Tests that fail on the base's source and pass on the change's, and how many; 1 where a run says only red or green."""
    if own.results is None:
        return [], int(change.green and base.green and not green(own))
    found = set[str]()
    for name in own.results.reasons:
        if after.get(name) == "passed":
            found.add(name)
        elif name not in after:
            # A module that cannot be imported there is one failure, and none of its tests has run.
            found.update(one for one, how in after.items() if how == "passed" and one.startswith((f"{name}::", f"{name}.")))
    return sorted(name for name in found if before.get(name) != "failed"), len(found)


def green(ran: Ran) -> bool:
    """As `CheckRun.green` says it."""
    return ran.exit_code == 0 and not ran.timed_out and ran.total != 0 and not ran.failures


def noticed(ran: Ran, change: CheckRun) -> bool:
    """True where a run ended in another way than that on the change: something was noticed."""
    if change.green:
        return not green(ran)
    # The change is red anyway: only another outcome than before shows that the lines are reached. A test that fails on both
    # sides fails for another reason where it reaches them.
    before = dict(zip(change.failures, change.reasons, strict=False))
    now = {} if ran.results is None else ran.results.reasons
    elsewise = any(now[one] != reason for one, reason in before.items() if one in now)
    return ran.exit_code != change.exit_code or set(ran.failures) != set(change.failures) or elsewise
