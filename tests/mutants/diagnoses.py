"""Mutants of diagnosing: what is read, what counts as shown, and what is done of what collides."""

from tests.mutants.mutant import Mutant

LOGFILES = "tests/activities/logfiles/test_sources.py"

MUTANTS = (
    Mutant(
        name="log-link-leads-out",
        promise="Nothing beside the place that a diagnosis names is read.",
        file="activities/logfiles/sources.py",
        old="    if not whole.is_relative_to(root):",
        new="    if False:",
        tests=(f"{LOGFILES}::test_globs_find_files_and_links_lead_nowhere_else",),
    ),
    Mutant(
        name="log-bomb-unpacked",
        promise="Of one file only so much is read, however small it is packed.",
        file="activities/logfiles/sources.py",
        old="        if total > READ:",
        new="        if False:",
        tests=(f"{LOGFILES}::test_a_bomb_is_not_unpacked_to_its_end",),
    ),
    Mutant(
        name="log-colours-shown",
        promise="No escape sequence and no turned text of a log reaches a person or a model.",
        file="activities/logfiles/sources.py",
        old='    return visible(raw.rstrip(b"\\r\\n").decode(errors="replace"))',
        new='    return raw.rstrip(b"\\r\\n").decode(errors="replace")',
        tests=(f"{LOGFILES}::test_whatever_a_file_holds_becomes_printable_lines",),
    ),
    Mutant(
        name="both-fixes-of-a-conflict",
        promise="Of two fixes that touch the same thing one is made.",
        file="contracts/diagnosis_checks.py",
        old="if name in one.fixes for other",
        new="if False for other",
        tests=("tests/contracts/test_diagnosis_checks.py::test_changes_of_one_thing_collide",),
    ),
    Mutant(
        name="blame-unseen",
        promise="Two services that blame each other are shown as a contradiction.",
        file="contracts/diagnosis_checks.py",
        old="        if (accuses and accused) or ",
        new="        if ",
        tests=("tests/contracts/test_diagnosis_checks.py::test_blame_is_compared_by_names_and_addresses",),
    ),
    Mutant(
        name="slow-service-waited-for",
        promise="A service that has no diagnosis in its minutes holds nobody up.",
        file="workflows/diagnosis_part.py",
        old="timeout=limit.total_seconds()",
        new="timeout=None",
        tests=("tests/workflows/test_diagnosis_children.py::test_a_slow_service_holds_nobody_up",),
    ),
)
