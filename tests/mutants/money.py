"""Money: what a call may cost is held before it, what it cost is charged once, and a ceiling stops what passes it."""

from tests.mutants.mutant import Mutant

SPEND, ADMISSION = "tests/ledger/test_spend.py", "tests/activities/runs/test_admission.py"

MUTANTS = (
    Mutant(
        name="held-money-is-free",
        promise="Money that other calls hold is not there for the next one.",
        file="ledger/money/spend.py",
        old="scope.c.spent + scope.c.held + _AMOUNT <= scope.c.ceiling",
        new="scope.c.spent + _AMOUNT <= scope.c.ceiling",
        tests=(f"{SPEND}::test_a_refusal_names_the_scope_and_all_its_numbers",),
    ),
    Mutant(
        name="settled-twice",
        promise="A call that was settled is not charged once more.",
        file="ledger/money/spend.py",
        old='if row.state not in ("held", "lost"):',
        new="if False:",
        tests=(f"{SPEND}::test_a_settled_call_costs_what_it_cost",),
    ),
    Mutant(
        name="unknown-usage-is-free",
        promise="Where nobody knows what a call cost it costs all that was held.",
        file="ledger/money/spend.py",
        old="charged = row.amount if cost is None else cost",
        new="charged = cost or 0",
        tests=(f"{SPEND}::test_missing_usage_settles_at_the_reservation",),
    ),
    Mutant(
        name="lost-call-is-free",
        promise="A call that died with its worker stays charged in full.",
        file="ledger/money/spend.py",
        old='close(connection, earlier, "lost")',
        new='close(connection, earlier, "released")',
        tests=(f"{SPEND}::test_a_lost_call_stays_charged",),
    ),
    Mutant(
        name="ended-run-holds-money",
        promise="A run that has ended holds no money, whatever its killed attempts have left.",
        file="activities/runs/journal.py",
        old="    spend.close_left_over(connection, request.run.trace)",
        new="    pass",
        tests=("tests/activities/runs/test_journal.py::test_a_run_that_has_ended_holds_no_money",),
    ),
    Mutant(
        name="children-take-all",
        promise="Children leave of their run's money what is kept back for what comes after them.",
        file="activities/money/scopes.py",
        old="parts[0].kept_back if parts else 0)",
        new="0)",
        tests=("tests/activities/money/test_scopes.py::test_children_leave_what_is_kept_back_at_each_level",),
    ),
    Mutant(
        name="month-without-ceiling",
        promise="Every call counts against the month that all share.",
        file="activities/money/scopes.py",
        old="    scopes.append(_scope(month, ceilings.month_usd))",
        new="    pass",
        tests=("tests/activities/money/test_scopes.py::test_every_call_counts_against_all_that_share_it",),
    ),
    Mutant(
        name="let-in-without-money",
        promise="No run is let in that could only wait for money.",
        file="activities/runs/admission.py",
        old="if found.refuses:",
        new="if False:",
        tests=(f"{ADMISSION}::test_a_duplicate_leads_to_its_run_although_there_is_no_money",),
    ),
    Mutant(
        name="refused-call-fails",
        promise="A call that finds no room waits for a person with all that the run has, and is no failure.",
        file="workflows/kit/ceiling.py",
        old='cause.type != "CeilingReached"',
        new='cause.type != "NoSuchType"',
        tests=("tests/workflows/test_parking.py::test_a_raise_lets_the_same_call_go_on",),
    ),
    Mutant(
        name="silence-spends",
        promise="A run that waits for money stops where nobody answers.",
        file="workflows/kit/ceiling.py",
        old='elif decided.verb != "released":',
        new='elif decided.verb == "stop":',
        tests=("tests/workflows/test_parking_time.py::test_silence_stops_a_parked_run",),
    ),
    Mutant(
        name="raised-beyond-policy",
        promise="Nobody gives a run more than policy lets it be given.",
        file="activities/gates/gates.py",
        old="refused = refused or _too_much(request, claim)",
        new="pass",
        tests=("tests/activities/gates/test_gates.py::test_nobody_raises_a_ceiling_beyond_what_policy_allows",),
    ),
    Mutant(
        name="anybody-opens-a-ceiling",
        promise="Only what a child of the run can say opens a gate about money.",
        file="workflows/kit/parking.py",
        old="if (wrong := self._not_ours(said.path, said.refused)) is not None:",
        new="if (wrong := None) is not None:",
        tests=("tests/workflows/test_parking.py::test_only_what_a_child_can_say_opens_a_ceiling",),
    ),
)
