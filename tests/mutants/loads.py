"""Mutants of loading: each row once, what was approved, and counts that add up."""

from tests.mutants.mutant import Mutant

LOADS = "tests/activities/loads"

MUTANTS = (
    Mutant(
        name="away-at-first-ends",
        promise="A load whose target is away from the start asks a person, and does not end.",
        file="workflows/kit/patience.py",
        old="if refused or is_cancelled_exception(error):",
        new="if cause is not None:",
        tests=("tests/workflows/test_load_goes_on.py::test_a_target_that_is_away_from_the_start_is_a_persons_matter",),
    ),
    Mutant(
        name="twice-is-once",
        promise="A key that one side has twice is told, and not compared with one of its rows.",
        file="activities/loads/differing.py",
        old="having sum(l) > 1 or sum(r) > 1",
        new="having sum(l) > 1",
        tests=(f"{LOADS}/test_comparing.py::test_a_key_that_is_there_twice_is_told_with_both_counts_and_not_compared",),
    ),
    Mutant(
        name="uncompared-is-overwritten",
        promise="A correction writes nothing into a column that nobody compared.",
        file="activities/loads/reconciling.py",
        old="    if any(wanted not in row and wanted not in optional for wanted in statement.parameters):",
        new="    if not row:",
        tests=(f"{LOADS}/test_comparing.py::test_columns_that_nothing_is_mapped_to_are_not_compared_and_not_overwritten",),
    ),
    Mutant(
        name="rows-before-their-book",
        promise="A batch and its row in the target's book are committed together: a killed worker loads each row once.",
        file="activities/loads/loads.py",
        old="kept = self._keep_bad(request, mapped.quarantine())",
        new="kept = connection.commit() or self._keep_bad(request, mapped.quarantine())",
        tests=(f"{LOADS}/test_dying.py::test_a_kill_in_the_middle_loads_each_row_once",),
    ),
    Mutant(
        name="changed-file-loaded",
        promise="What is loaded is what was approved.",
        file="activities/loads/records.py",
        old="    if sha256(data) != batch.digest:",
        new="    if len(data) != batch.size:",
        tests=(f"{LOADS}/test_loading.py::test_what_was_approved_is_what_is_loaded",),
    ),
    Mutant(
        name="load-not-opened",
        promise="No row is loaded that no approved action has opened the load for.",
        file="activities/loads/loads.py",
        old="if found is None:",
        new="if found is None and not key:",
        tests=(f"{LOADS}/test_loading.py::test_nothing_is_loaded_that_was_not_opened_there",),
    ),
    Mutant(
        name="other-values-are-duplicates",
        promise="A row whose key is there with other values is no duplicate.",
        file="activities/loads/tables.py",
        old="""where t."{plan.key[0]}" is null{f" or {differs}" if differs else ""} order by 1\'""",
        new="""where t."{plan.key[0]}" is null order by 1\'""",
        tests=(f"{LOADS}/test_loading.py::test_a_file_with_some_known_rows_loads_the_others",),
    ),
    Mutant(
        name="mismatch-is-done",
        promise="Counts that do not add up are no load that is done.",
        file="activities/loads/loads.py",
        old="        if not counts.add_up:",
        new="        if not counts.rows:",
        tests=(f"{LOADS}/test_loading.py::test_counts_that_do_not_add_up_are_told",),
    ),
    Mutant(
        name="rule-ignored",
        promise="A rule of a contract that is not checked is refused.",
        file="activities/loads/schema.py",
        old="    if unknown:",
        new="    if unknown and not part:",
        tests=(f"{LOADS}/test_tables.py::test_a_rule_that_is_not_checked_is_refused",),
    ),
    Mutant(
        name="target-away-fails-the-run",
        promise="A target that stays out of reach in the middle of a load is a person's decision, and no failed run.",
        file="workflows/load.py",
        old="            if is_cancelled_exception(error):",
        new="            if error.message:",
        tests=("tests/workflows/test_load_goes_on.py::test_a_target_that_stays_away_is_a_persons_matter",),
    ),
)
