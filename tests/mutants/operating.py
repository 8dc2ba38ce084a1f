"""Operating: what happened outside our code is on record and is told, and nobody has to go and look for it."""

from tests.mutants.mutant import Mutant

HOUR = "tests/acceptance/test_operators_hour.py::test_every_question_is_answered_by_one_command"
LOADED = "tests/commands/test_loaded.py"

MUTANTS = (
    Mutant(
        name="gone-stays-open",
        promise="A run that Temporal has ended is closed although nobody looks at it.",
        file="activities/runs/upkeep.py",
        old='await self._gone(client) if client is not None else (0, "")',
        new='(0, "")',
        tests=(HOUR,),
    ),
    Mutant(
        name="fails-unseen",
        promise="A run that gets nowhere and asks nobody is named where people look for what waits for them.",
        file="commands/look/now.py",
        old="            if failing or waits:",
        new="            if False:",
        tests=(HOUR,),
    ),
    Mutant(
        name="lost-call-untold",
        promise="What a call that was lost with its worker is charged is on the feed, whoever found it.",
        file="activities/turns/reservation.py",
        old="workers.tell_lost(connection, request.run, lost)",
        new="pass",
        tests=("tests/activities/turns/test_caching.py::test_what_an_earlier_attempt_held_is_lost_when_the_cache_answers",),
    ),
    Mutant(
        name="alert-without-a-runbook",
        promise="No kind of alert is without a runbook.",
        file="contracts/runbooks.py",
        old='    "lost_call": r"orphan/.+",',
        new='    "lost_call": "",',
        tests=("tests/docs/test_runbooks.py::test_every_alert_that_the_code_writes_has_a_kind",),
    ),
    Mutant(
        name="gate-without-a-runbook",
        promise="A gate names its runbook where it is looked at.",
        file="console/pages/gate.py",
        old='        "runbook": of_gate(view.kind),',
        new='        "runbook": "",',
        tests=("tests/console/test_pages.py::test_gates_and_alerts_lead_to_what_is_to_be_done",),
    ),
    Mutant(
        name="withdrawn-stays-live",
        promise="An agent version that was withdrawn is not live.",
        file="activities/agents/catalogue.py",
        old=" not in self.withdrawn",
        new=' != ""',
        tests=("tests/activities/agents/test_agents.py::test_what_should_not_be_live_is_named_and_withdrawn",),
    ),
    Mutant(
        name="retried-and-still-asked",
        promise="A run that Temporal ended is not asked about any more once it is done again.",
        file="ledger/views/status.py",
        old="if open or not retries.of(connection, one.trace))",
        new="if open or True)",
        tests=("tests/commands/test_status.py::test_what_it_names_has_a_runbook_that_can_be_printed",),
    ),
    Mutant(
        name="every-command-loaded",
        promise="A command line loads the module of its command, and of no other.",
        file="starter.py",
        old="_modules_of(cmd_name) or tuple(COMMANDS)",
        new="tuple(COMMANDS)",
        tests=(f"{LOADED}::test_a_command_that_reads_loads_what_it_needs",),
    ),
    Mutant(
        name="asked-for-nothing",
        promise="Temporal is not asked for a project whose runs have all ended.",
        file="commands/look/runs.py",
        old="asks = project is None or any(",
        new="asks = True or any(",
        tests=(f"{LOADED}::test_a_command_that_reads_loads_what_it_needs",),
    ),
    Mutant(
        name="condition-of-one-database",
        promise="A partial index has its condition on both databases.",
        file="ledger/tables/columns.py",
        old='for dialect in ("sqlite", "postgresql"):',
        new='for dialect in ("sqlite",):',
        tests=("tests/ledger/test_migrate.py::test_partial_indexes_have_the_conditions_of_the_code",),
    ),
    Mutant(
        name="garbage-left",
        promise="A worker collects garbage as usual once it has started.",
        file="worker.py",
        old="    gc.set_threshold(*COLLECTS)",
        new="    pass",
        tests=(f"{LOADED}::test_a_worker_collects_garbage_once_it_works",),
    ),
)
