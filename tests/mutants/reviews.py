"""Reviews: what linters obey, what a report repeats, which patches it shows, and what a synthesiser may drop."""

from tests.mutants.mutant import Mutant

SCAN, MERGING = "tests/activities/scanning/test_scan.py", "tests/activities/repositories/test_merging.py"

MUTANTS = (
    Mutant(
        name="slow-patterns-pass",
        promise="A regular expression on a changed line that can take exponential time is told.",
        file="activities/scanning/regexes.py",
        old="if repeated and fails and overlaps:",
        new="if repeated and fails and overlaps and not body:",
        tests=("tests/activities/scanning/test_regexes.py::test_only_what_the_change_brings_is_told",),
    ),
    Mutant(
        name="state-in-a-form",
        promise="With --as nothing but the report goes to stdout.",
        file="commands/text.py",
        old="    (out.line if out.form is None else out.note)(text)",
        new="    out.line(text)",
        tests=("tests/commands/test_review_forms.py::test_only_a_review_that_has_ended_has_a_form",),
    ),
    Mutant(
        name="noqa-is-obeyed",
        promise="No comment of the reviewed repository silences a linter.",
        file="activities/scanning/linters.py",
        old='"--ignore-noqa", ',
        new="",
        tests=(f"{SCAN}::test_no_setting_of_the_repository_switches_a_rule_off",),
    ),
    Mutant(
        name="key-in-a-report",
        promise="A review does not repeat the key that it finds.",
        file="activities/scanning/scan.py",
        old="    ends = [at + 4 for _, _, _, at in secrets_in(line)]",
        new="    ends = [len(line)]",
        tests=(f"{SCAN}::test_a_key_is_told_and_not_repeated",),
    ),
    Mutant(
        name="patch-untried",
        promise="A suggested patch that is shown was applied to the files at the head.",
        file="activities/repositories/looking.py",
        old="        why = self._unusable(one) if self.tried <= TRIED else ",
        new='        why = "" if self.tried <= TRIED else ',
        tests=(f"{MERGING}::test_a_patch_is_kept_only_if_it_applies",),
    ),
    Mutant(
        name="critical-is-dropped",
        promise="What a reviewer calls critical or high is not lost by being left out of the merged list.",
        file="activities/repositories/merging.py",
        old="        if fault.first.severity in SEVERITIES[:2] and not any(",
        new="        if False and not any(",
        tests=(f"{MERGING}::test_what_the_synthesiser_drops_or_plays_down_is_told",),
    ),
)
