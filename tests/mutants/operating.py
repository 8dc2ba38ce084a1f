"""Operating: what happened outside our code is on record and is told, and nobody has to go and look for it."""

from tests.mutants.mutant import Mutant

HOUR = "tests/acceptance/test_operators_hour.py::test_every_question_is_answered_by_one_command"

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
)
