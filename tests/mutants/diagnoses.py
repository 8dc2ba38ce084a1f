"""Mutants of diagnosing: what is read, what counts as shown, and what is done of what collides."""

from tests.mutants.mutant import Mutant

LOGFILES = "tests/activities/logfiles/test_sources.py"
EDITS = "tests/activities/actions/test_edits.py"

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
    Mutant(
        name="fix-outside-declared",
        promise="A fix writes no file that lies beside the declared folder.",
        file="activities/actions/edits.py",
        old="            if whole.is_relative_to(folder):",
        new="            if True:",
        tests=(f"{EDITS}::test_nothing_leads_beside_the_declared_place",),
    ),
    Mutant(
        name="fix-of-any-file",
        promise="A fix is of a configuration file that was declared for its service, whatever an agent names.",
        file="activities/actions/edits.py",
        old="    if len(found) != 1:",
        new="    if len(found) > 1:",
        tests=(f"{EDITS}::test_what_is_not_sure_is_a_persons",),
    ),
    Mutant(
        name="read-only-written",
        promise="What is read-only is left to a person.",
        file="activities/actions/edits.py",
        old="        if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or ",
        new="        if ",
        tests=(f"{EDITS}::test_what_is_not_sure_is_a_persons",),
    ),
    Mutant(
        name="first-of-two-settings",
        promise="Of two settings of one name none is changed by chance.",
        file="activities/files/settings.py",
        old="        if len(found) > 1:",
        new="        if False:",
        tests=("tests/activities/files/test_settings.py::test_what_is_not_clear_is_not_changed",),
    ),
    Mutant(
        name="more-than-one-value",
        promise="A changed file counts only if exactly one value of it is another.",
        file="activities/files/settings.py",
        old="            if form.read(candidate) == expected:",
        new="            if form.read(candidate):",
        tests=("tests/activities/files/test_settings.py",),
    ),
    Mutant(
        name="saved-meanwhile-lost",
        promise="What somebody saves while a file is replaced stays.",
        file="activities/actions/file_write.py",
        old="                _as_said(folder, path, wanted)",
        new="                pass",
        tests=("tests/activities/actions/test_beneath.py::test_what_changes_while_it_is_written_stays",),
    ),
)
