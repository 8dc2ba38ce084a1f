"""The record: where things came from, what came of them, and that nobody has changed it."""

from tests.mutants.mutant import Mutant

WHOLE = ("tests/commands/test_live.py::test_a_delivery_from_start_to_pushed_branch",)
IMPACT = "tests/ledger/test_impact.py"

WRITER = "tests/ledger/test_writer.py"

MUTANTS = (
    Mutant(
        name="failed-part-stays",
        promise="A transaction that fails leaves nothing, also where it shares its commit with others.",
        file="ledger/writer.py",
        old='"ROLLBACK TO part"',
        new='"SAVEPOINT part"',
        tests=(
            f"{WRITER}::test_one_that_fails_takes_nobody_with_it",
            "tests/ledger/test_writer_same.py::test_sharing_changes_nothing_but_the_number_of_commits",
        ),
    ),
    Mutant(
        name="lost-transaction-answers",
        promise="Nobody is told that what SQLite has undone was committed.",
        file="ledger/writer.py",
        old="        raise _Lost",
        new="        return",
        tests=(
            f"{WRITER}::test_a_transaction_that_sqlite_has_undone_is_begun_again_by_each_alone",
            f"{WRITER}::test_a_lost_transaction_that_nobody_complained_of_is_noticed",
        ),
    ),
    Mutant(
        name="known-before-commit",
        promise="What a transaction has stored is taken as known only once it is committed.",
        file="ledger/afterwards.py",
        old="    connection.info.setdefault(_WAITING, []).append(what)",
        new="    what()",
        tests=(
            f"{WRITER}::test_what_a_failed_part_has_left_for_later_is_forgotten",
            f"{WRITER}::test_a_failed_commit_is_everybodys",
        ),
    ),
    Mutant(
        name="answer-between-two-looks",
        promise="Where an earlier attempt held money, its answer is looked for once its row is locked.",
        file="activities/turns/reservation.py",
        old="if begins.held or begins.stored else None",
        new="if begins.stored else None",
        tests=("tests/activities/turns/test_late_answers.py::test_an_answer_is_found_by_the_attempt_that_begins",),
    ),
    Mutant(
        name="several-ceilings-take-some",
        promise="A call that one ceiling refuses holds nothing under the others.",
        file="ledger/money/holdings.py",
        old="scope.c.id.in_(wanted), with_room == literal(count, BigInteger)",
        new="scope.c.id.in_(wanted), with_room > literal(0, BigInteger)",
        tests=("tests/ledger/test_spend.py::test_several_ceilings_are_taken_by_one_statement_or_not_at_all",),
    ),
    Mutant(
        name="later-lines-are-shown",
        promise="The feed as it was at a line has no line after it.",
        file="ledger/views/feed.py",
        old="            found.append(feed.c.seq <= self.until)",
        new="            found.append(feed.c.seq > 0)",
        tests=("tests/ledger/test_views.py::test_the_feed_is_filtered_by_all_that_is_asked",),
    ),
    Mutant(
        name="nobody-works-unsaid",
        promise="Where a run is open and no worker works, the status says so before all else.",
        file="ledger/views/status.py",
        old='return self.workers.problem if self.open or self.actions.get("left") else ""',
        new='return ""',
        tests=("tests/commands/test_status.py::test_nobody_works_fifteen_seconds_after_the_last_heartbeat",),
    ),
    Mutant(
        name="missing-line-unseen",
        promise="A feed line that was removed or moved is found.",
        file="ledger/views/integrity.py",
        old='if row["previous_hash"] != previous:',
        new="if False:",
        tests=WHOLE,
    ),
    Mutant(
        name="note-not-sealed",
        promise="What a person wrote with a decision cannot be changed without being found.",
        file="ledger/seals.py",
        old="row[name] for name in _DECISION)",
        new='row[name] for name in _DECISION if name != "note")',
        tests=WHOLE,
    ),
    Mutant(
        name="end-of-action-not-sealed",
        promise="How an action ended cannot be changed without being found.",
        file="ledger/seals.py",
        old='state = row["state"] if row["state"] in SETTLED else "open"',
        new='state = "open"',
        tests=WHOLE,
    ),
    Mutant(
        name="equal-bytes-are-one",
        promise="What came of one run's report is not what came of another's with the same bytes.",
        file="ledger/handoffs.py",
        old='return f"{trace}/{digest}"',
        new="return digest",
        tests=(f"{IMPACT}::test_equal_bytes_of_two_runs_are_two_things",),
    ),
    Mutant(
        name="decision-leads-nowhere",
        promise="What ran because a person let it go on leads back to their decision.",
        file="ledger/handoffs.py",
        old='return [f"{trace}/{let_on}"] if let_on else []',
        new="return []",
        tests=WHOLE,
    ),
    Mutant(
        name="tool-leads-nowhere",
        promise="What a tool read leads to the turn that saw its result.",
        file="ledger/handoffs.py",
        old="yield from ((row.child, callers[row.parent]) for row in rows)",
        new="yield from ()",
        tests=(f"{IMPACT}::test_a_source_leads_to_all_that_came_of_it_in_every_run",),
    ),
)
