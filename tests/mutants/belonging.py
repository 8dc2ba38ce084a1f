"""Who works, and what belongs together: ledgers, servers, workers, and the clock that money goes by."""

from tests.mutants.mutant import Mutant

BELONGING, WHO = "tests/commands/test_belonging.py", "tests/commands/test_who_works.py"

MUTANTS = (
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
