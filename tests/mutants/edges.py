"""The edges to what Baton does not own: databases and poolers, disks, the network."""

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="pooler-unseen",
        promise="Behind a pooler no statement depends on the connection of the one before.",
        file="ledger/sessions.py",
        old="info[POOLED] = _is_pooled(connection)",
        new="info[POOLED] = False",
        tests=("tests/faults/test_pooler.py::test_statements_that_are_said_again_and_again_arrive",),
    ),
    Mutant(
        name="pooled-without-limits",
        promise="Behind a pooler every transaction has its time limits, and no other client gets them.",
        file="ledger/sessions.py",
        old="    if connection.info.get(POOLED):",
        new="    if False:",
        tests=("tests/faults/test_pooler.py::test_what_a_transaction_is_told_holds_in_it_and_reaches_nobody_else",),
    ),
    Mutant(
        name="reply-lost-by-its-commit",
        promise="A reply that is paid for is stored, whatever the database fails with meanwhile.",
        file="activities/running/shield.py",
        old="except FAILED_COMMIT as error:",
        new="except FAILED_COMMIT[:1] as error:",
        tests=("tests/faults/test_paid_replies.py",),
    ),
    Mutant(
        name="full-disk-refused",
        promise="A disk that is full for a moment costs no run: what git says of it says nothing about the repository.",
        file="activities/git/command.py",
        old="            _refuse_full(words)",
        new="            pass",
        tests=("tests/faults/test_full_workspaces.py",),
    ),
    Mutant(
        name="full-disk-not-waited-for",
        promise="A step that met a full disk is begun again.",
        file="workflows/kit/ledger_outage.py",
        old="known = (LedgerUnavailable.__name__, DiskUnavailable.__name__)",
        new="known = (LedgerUnavailable.__name__,)",
        tests=("tests/faults/test_full_workspaces.py",),
    ),
    Mutant(
        name="past-the-proxy",
        promise="Where a proxy is named, models are reached through it and by no other way.",
        file="model_choice.py",
        old="    proxy = way(settings, name).proxy or None",
        new="    proxy = None",
        tests=("tests/wire/test_proxy.py::test_calls_go_through_the_proxy",),
    ),
)
