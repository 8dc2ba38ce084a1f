"""What a proof says at the change gate: facts with files, lines and numbers, and what they mean for the risk. Pure."""

from collections.abc import Iterator

from contracts.check_shapes import hides
from contracts.delivery.proof import Judging, OwnTests, Proof, Sabotage
from contracts.delivery.testing import TestReport
from contracts.text import amount, amount_that

FILES = 10
"""Changed files that judge which get a fact of their own."""

LOW, MEDIUM, HIGH = range(3)


def proof_facts(report: TestReport) -> list[str]:
    """Facts on what the checks prove; none in a run that did not ask."""
    facts = ["the check was declared by the planner, an agent: no person named it"] if report.declared == "planner" else []
    facts += [shape_fact(one) for one in _shaped(report)]
    facts += _numbers(report)
    return [*facts, *_facts(report.proof)] if report.proof is not None else facts


def proof_risks(report: TestReport) -> tuple[int, tuple[str, ...]]:
    """How high the risk is at least (0 low, 1 medium, 2 high), and the reasons."""
    found = [(MEDIUM, "an agent declared the check")] if report.declared == "planner" else []
    found += [(MEDIUM, "the check's command can hide failures") for _ in _shaped(report)[:1]]
    if report.proof is not None:
        found += _risks(report.proof)
    return max((level for level, _ in found), default=LOW), tuple(reason for _, reason in found)


def shape_fact(command: str) -> str:
    """What the command's shape hides; "" for nothing."""
    hidden = hides(command)
    return f"{command}: this check can hide failures: {'; '.join(hidden)}" if hidden else ""


def _shaped(report: TestReport) -> list[str]:
    """The commands whose shape hides something."""
    return [one for one in dict.fromkeys(run.command for run in report.runs) if hides(one)]


def _numbers(report: TestReport) -> list[str]:
    """How many tests ran and failed on both sides."""
    base = report.base
    return [
        f"{run.command}: {amount(run.total, 'test')} on the change, {len(run.failures) + run.unnamed} failed; "
        f"{base.total} on the base, {len(base.failures) + base.unnamed} failed"
        for run in report.runs
        if run.total is not None and base is not None and base.total is not None
    ]


def _facts(proof: Proof) -> Iterator[str]:
    yield from (_judging(one) for one in proof.judging[:FILES])
    if proof.judging_count > FILES:
        yield f"and {amount(proof.judging_count - FILES, 'more changed file')} that judge the change"
    if proof.imported:
        yield f"changed, and may be a part of what checks: {', '.join(proof.imported[:10])}"
    if proof.aware:
        said = "changed source asks whether it is being tested, how it was started, or when, or says what it equals"
        yield f"{said}: {'; '.join(proof.aware[:5])}"
    if proof.written:
        yield f"answers are written out for inputs that stand in tests, and for no others: {'; '.join(proof.written[:5])}"
    if proof.gone_count:
        yield f"tests that counted on the base and do not now ({proof.gone_count}): {', '.join(proof.gone[:10])}"
    if proof.overruled_count:
        tests, named = amount_that(proof.overruled_count, "test", "FAILS", "FAIL"), ", ".join(proof.overruled[:10])
        yield f"with the base's tests and configuration put back {tests} on the change: {named}"
    elif proof.referee is not None:
        yield f"with the base's tests and configuration put back: {_result(proof)}"
    if proof.own is not None:
        yield _own(proof.own)
    if proof.sabotage is not None:
        yield from _sabotage(proof.sabotage)
    if proof.flaky:
        on_base = f"; on the base, too: {', '.join(proof.flaky_on_base[:10])}" if proof.flaky_on_base else ""
        yield f"flaky, ended in different ways on the same files: {', '.join(proof.flaky[:10])}{on_base}"
    if proof.seconds:
        yield f"these further runs of the check took {proof.seconds} s"


def _judging(one: Judging) -> str:
    what = {
        "test": "tests",
        "configuration": "configuration",
        "command": "run by the check",
        "runner": "may replace the runner",
    }
    lines = f", lines {one.lines}" if one.lines else ""
    notes = f": {'; '.join(one.notes)}" if one.notes else ""
    return f"judges the change: {one.status} {one.path} ({what[one.kind]}{lines}){notes}"


def _result(proof: Proof) -> str:
    run = proof.referee
    assert run is not None, "asked of a proof with such a run"
    if run.green:
        return f"{amount(run.total, 'test')} ran on the change and none failed" if run.total else "exit code 0 on the change"
    return "only tests that also fail on the base fail on the change"


def _own(own: OwnTests) -> str:
    files = ", ".join(own.files[:5])
    if not own.count:
        return f"the change's own tests ({files}) prove nothing: none fails on the base's source and passes on the change"
    named = f": {', '.join(own.proving[:5])}" if own.proving else ""
    fail, succeed = ("fails", "passes") if own.count == 1 else ("fail", "pass")
    return f"the change's own tests ({files}): {own.count} {fail} on the base's source and {succeed} on the change{named}"


def _sabotage(found: Sabotage) -> Iterator[str]:
    if found.tried:
        noticed = len(found.tried) - len(found.unnoticed)
        yield f"changed lines made to raise an error: the check noticed {noticed} of {amount(len(found.tried), 'place')}"
    if found.unnoticed:
        named = ", ".join(f"{one.path}:{one.lines}{f' ({one.where})' if one.where else ''}" for one in found.unnoticed[:10])
        yield f"no test notices when these changed lines raise an error, or the file is emptied: {named}"
    if found.untried:
        yield f"not tried, because they are too many or take too long: {', '.join(found.untried[:10])}"
    if found.unbroken:
        named = ", ".join(found.unbroken[:10])
        yield f"not tried, because an error cannot be raised there, or the check fails on the copy without one: {named}"
    if found.texts:
        yield f"the check says nothing about these files, which are no source: {', '.join(found.texts[:10])}"
    if found.languages:
        named = ", ".join(found.languages[:10])
        yield f"not proven by sabotage, because lines of this language cannot be made to raise an error: {named}"


def _risks(proof: Proof) -> Iterator[tuple[int, str]]:
    weaker = [one.path for one in proof.judging if one.notes and one.status != "added"]
    weaker += [one.path for one in proof.judging if one.kind != "test" and one.path not in weaker]
    if weaker:
        yield HIGH, f"what judges the change was changed: {', '.join(weaker[:5])}"
    edited = [one.path for one in proof.judging if one.path not in weaker and (one.status != "added" or one.notes)]
    if edited:
        yield MEDIUM, f"tests were edited: {', '.join(edited[:5])}"
    if proof.judging_count > len(proof.judging):
        yield MEDIUM, f"{proof.judging_count} files that judge the change were changed"
    if proof.imported:
        yield MEDIUM, "modules that may be a part of what checks were changed"
    if proof.aware:
        yield MEDIUM, "changed source may be another one when it is tested"
    if proof.written:
        yield MEDIUM, "answers are written out for the inputs of tests"
    if proof.gone_count:
        yield HIGH, f"{amount_that(proof.gone_count, 'test', 'does', 'do')} not count any more"
    if proof.overruled_count:
        yield HIGH, f"{amount_that(proof.overruled_count, 'base test', 'fails', 'fail')} on the change"
    if proof.own is not None and not proof.own.count:
        yield MEDIUM, "the change's own tests prove nothing"
    if proof.flaky:
        yield MEDIUM, "flaky tests"
    if proof.sabotage is not None:
        yield from _unproven(proof.sabotage)


def _unproven(found: Sabotage) -> Iterator[tuple[int, str]]:
    if found.proves_nothing:
        yield HIGH, "no changed line was seen to be run"
    elif found.unnoticed:
        yield MEDIUM, "no test notices when some of the changed lines raise an error"
    if found.untried or found.unbroken or found.languages:
        yield MEDIUM, "not all changed lines were tried"
