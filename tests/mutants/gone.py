"""Runs that are over without a word of their own, who looks after them, and runs that are done again."""

from tests.mutants.mutant import Mutant

GONE, UPKEEP, RETRY = "tests/commands/test_gone.py", "tests/activities/runs/test_upkeep.py", "tests/commands/test_retry.py"

MUTANTS = (
    Mutant(
        name="dead-leader-leads-on",
        promise="What was approved in a run that Temporal ended is delivered within a minute, also after its leader died.",
        file="ledger/upkeep.py",
        old="LEASE = timedelta(seconds=30)",
        new="LEASE = timedelta(seconds=90)",
        tests=("tests/workflows/test_left_behind.py",),
    ),
    Mutant(
        name="upkeep-asks-nobody",
        promise="What Temporal ended is closed in the record although nobody looks.",
        file="activities/runs/upkeep.py",
        old='await self._gone(client) if client is not None else (0, "")',
        new='0, ""',
        tests=(f"{GONE}::test_a_workers_round_closes_what_nobody_looks_at",),
    ),
    Mutant(
        name="gone-with-open-gates",
        promise="A run that is closed in the record has no gate that waits.",
        file="ledger/gone.py",
        old="    gates.close_left_over(connection, trace)",
        new="    pass",
        tests=(f"{GONE}::test_the_first_look_closes_it_and_every_command_says_so",),
    ),
    Mutant(
        name="gone-child-still-asks",
        promise="A person is not asked for a child that Temporal has ended.",
        file="activities/runs/gone.py",
        old="    changed += await _close_gates(client, ledger, await ledger.read(gone.gates_of_children, here, going))",
        new="    changed += 0",
        tests=("tests/commands/test_gone_children.py",),
    ),
    Mutant(
        name="elsewhere-is-deleted",
        promise="A run of another Temporal namespace is not taken for one that was ended or deleted.",
        file="activities/runs/gone.py",
        old='if run.namespace not in ("", here):',
        new="if False:",
        tests=(f"{GONE}::test_what_another_namespace_has_is_not_taken_for_deleted",),
    ),
    Mutant(
        name="paused-run-works-again",
        promise="A paused run that was terminated and reset is paused, and its record says so.",
        file="ledger/gone.py",
        old='if before == "paused":',
        new="if False:",
        tests=(f"{GONE}::test_a_paused_run_that_is_reset_is_paused_before_a_worker_is_back",),
    ),
    Mutant(
        name="trimmed-under-another-run",
        promise="What a younger or open run has seen is not removed with an old one.",
        file="ledger/retention.py",
        old="artifact.c.kept.is_(False), ~_NEEDED)",
        new="artifact.c.kept.is_(False))",
        tests=("tests/ledger/test_retention.py",),
    ),
    Mutant(
        name="ahead-is-alive",
        promise="A heartbeat of a clock that was ahead does not count until that time has come.",
        file="ledger/workers.py",
        old="return column.between(now - width, now + width)",
        new="return column >= now - width",
        tests=("tests/ledger/test_workers.py",),
    ),
    Mutant(
        name="everybody-leads",
        promise="One worker at a time looks after the ledger.",
        file="ledger/upkeep.py",
        old="free = or_(upkeep.c.worker == worker, upkeep.c.until <= now, upkeep.c.until > until + length)",
        new="free = upkeep.c.until >= 0",
        tests=(UPKEEP,),
    ),
    Mutant(
        name="old-decisions-again",
        promise="A run that is retried from a stage asks again what was decided after it.",
        file="commands/start/retry.py",
        old="reset_reapply_exclude_types=left_out,",
        new="reset_reapply_exclude_types=(),",
        tests=(f"{RETRY}::test_from_a_stage_on_the_same_run_goes_on",),
    ),
    Mutant(
        name="retry-under-the-old-key",
        promise="A retry is a new run, and not the one that its request key names.",
        file="commands/start/retry.py",
        old='NOT_AGAIN = ("carried", "request_key", "by", "retry_of")',
        new='NOT_AGAIN = ("carried", "by", "retry_of")',
        tests=(f"{RETRY}::test_a_new_run_from_the_same_input",),
    ),
)
