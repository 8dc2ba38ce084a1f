"""Who works, and what belongs together: ledgers, servers, workers, and the clock that money goes by."""

from tests.mutants.mutant import Mutant

BELONGING, WHO = "tests/commands/test_belonging.py", "tests/commands/test_who_works.py"
CLOCKS = "tests/ledger/test_clocks.py"

MUTANTS = (
    Mutant(
        name="feed-by-the-workers-clock",
        promise="Lines of the feed and receipts are dated by the database's clock.",
        file="ledger/db.py",
        old="    return from_us(server_us(connection))",
        new="    return from_us(now_us())",
        tests=(f"{CLOCKS}::test_times_on_the_feed_follow_its_order",),
    ),
    Mutant(
        name="another-ledgers-run",
        promise="A worker leaves alone what another ledger has the record of.",
        file="activities/running/belonging.py",
        old='if isinstance(request, Request) and request.run.ledger not in ("", self._ledger):',
        new="if False:",
        tests=(f"{BELONGING}::test_a_run_of_another_ledger_is_left_alone",),
    ),
    Mutant(
        name="gate-that-is-not-there",
        promise="Nobody wins at a gate that the ledger does not have.",
        file="activities/gates/gates.py",
        old="refused = None if gates.is_known(connection, request.gate) else UNKNOWN_GATE",
        new="refused = None",
        tests=(f"{BELONGING}::test_a_gate_that_a_restored_ledger_does_not_have_takes_no_decision",),
    ),
    Mutant(
        name="copied-ledger",
        promise="A worker with a copy of a ledger is a stranger to it.",
        file="task_queues.py",
        old="others = [one for one in there if one.ledger != own or one.place not in heard]",
        new="others = [one for one in there if one.ledger != own]",
        tests=(f"{BELONGING}::test_a_copy_of_a_ledger_is_another_one",),
    ),
    Mutant(
        name="action-that-is-not-there",
        promise="What a restored ledger does not have is not tried for an hour.",
        file="activities/actions/sending.py",
        old="row = await self._ledger.read(actions.find, request.key)",
        new="row = await self._ledger.read(actions.get, request.key)",
        tests=(f"{BELONGING}::test_an_approved_action_that_a_restored_ledger_does_not_have_is_not_tried_for_an_hour",),
    ),
    Mutant(
        name="anybodys-server",
        promise="A ledger of one installation is not used with the server of another.",
        file="connection.py",
        old='if here and bound.namespace not in ("", here):',
        new="if False:",
        tests=(f"{BELONGING}::test_a_ledger_and_a_server_of_two_installations_are_told_apart",),
    ),
    Mutant(
        name="month-of-the-worker",
        promise="Periods of money are by Temporal's clock.",
        file="activities/running/clock.py",
        old="return told if told > _NO_TIME else datetime.now(UTC)",
        new="return datetime.now(UTC)",
        tests=(f"{WHO}::test_a_worker_with_a_wrong_clock_counts_money_for_temporals_month",),
    ),
    Mutant(
        name="rate-of-the-worker",
        promise="Rates of actions are by the database's clock.",
        file="ledger/action_rates.py",
        old="action.c.updated_at > server_us(connection) - per_us,",
        new="action.c.updated_at > __import__('time').time_ns() // 1000 - per_us,",
        tests=(f"{CLOCKS}::test_a_rate_holds_whatever_the_clocks",),
    ),
    Mutant(
        name="breaker-of-the-worker",
        promise="Circuit breakers are by the database's clock.",
        file="activities/turns/health.py",
        old="return now_us() - self._ahead",
        new="return now_us()",
        tests=(f"{CLOCKS}::test_a_breaker_is_open_for_as_long_for_all",),
    ),
    Mutant(
        name="removed-by-the-worker",
        promise="What is old enough to be removed is by the database's clock.",
        file="ledger/retention.py",
        old="before = server_us(connection) - keep // timedelta(microseconds=1)",
        new="import time; before = time.time_ns() // 1000 - keep // timedelta(microseconds=1)",
        tests=(f"{CLOCKS}::test_nothing_is_removed_too_early",),
    ),
    Mutant(
        name="killed-and-alive",
        promise="A worker that sends no heartbeats does not work.",
        file="ledger/views/workers.py",
        old="return not self.stopped and abs(self.silent) <= ANSWERS",
        new="return not self.stopped",
        tests=(f"{WHO}::test_a_killed_worker_is_missed_by_every_command",),
    ),
    Mutant(
        name="types-unseen",
        promise="Search attributes of another type are named before a run meets them.",
        file="connection.py",
        old="    if wrong:",
        new="    if False:",
        tests=("tests/commands/test_attributes.py::test_what_to_do_about_them_works",),
    ),
)
