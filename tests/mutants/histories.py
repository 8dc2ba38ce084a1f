"""What histories hold: payloads without defaults, and steps that are tried inside the workflow task."""

from tests.mutants.mutant import Mutant

BRIEF, AT_HAND = "tests/contracts/test_brief.py", "tests/workflows/test_at_hand.py"

MUTANTS = (
    Mutant(
        name="default-changed",
        promise="A field that an open run's history leaves out means what it meant when the history was written.",
        file="contracts/repositories.py",
        old="    timed_out: bool = False",
        new="    timed_out: bool = True",
        tests=(f"{BRIEF}::test_no_default_that_histories_leave_out_has_changed",),
    ),
    Mutant(
        name="body-without-defaults",
        promise="The body of a child's handoff has all that its digest is over.",
        file="contracts/handoff.py",
        old='        return body.model_dump(mode="json") if isinstance(body, Contract) else body',
        new="        return body",
        tests=(f"{BRIEF}::test_the_body_of_a_handoff_is_whole",),
    ),
    Mutant(
        name="outage-inside-the-task",
        promise="An outage of the ledger is waited out by an activity, not inside a workflow task.",
        file="workflows/kit/at_hand.py",
        old='    "retry_policy": RetryPolicy(maximum_attempts=1),',
        new='    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=100)),',
        tests=(f"{AT_HAND}::test_an_outage_is_waited_out_by_an_activity",),
    ),
    Mutant(
        name="admitted-by-whoever-replays",
        promise="How a run was admitted goes by the release in its history.",
        file="workflows/kit/at_hand.py",
        old="    return name.startswith(OURS) and generation.isdecimal() and int(generation) >= _SINCE",
        new="    return True",
        tests=(f"{AT_HAND}::test_both_sides_replay",),
    ),
    Mutant(
        name="slow-tool-tried-again",
        promise="A tool that took longer than a moment does not hold its workflow's task again.",
        file="workflows/kit/kit.py",
        old="                        self.slow.add(summary)",
        new="                        self.slow.discard(summary)",
        tests=(f"{AT_HAND}::test_what_takes_longer_is_an_activity_from_then_on",),
    ),
)
