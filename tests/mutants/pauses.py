"""Pauses of more than a run: what they hold, whom they reach, and who is told."""

from tests.mutants.mutant import Mutant

LEDGER = "tests/ledger/test_pauses.py"
HOLDS = f"{LEDGER}::test_a_pause_holds_the_steps_of_what_it_names_and_no_others"
REACHES = "tests/workflows/test_wider_pause.py::test_a_pause_of_an_agent_reaches_running_children"

MUTANTS = (
    Mutant(
        name="pause-holds-no-project",
        promise="A pause of a project holds every step of its runs.",
        file="ledger/pauses.py",
        old="return one.name == step.project",
        new="return False",
        tests=(HOLDS,),
    ),
    Mutant(
        name="pause-of-one-version",
        promise="A pause of an agent holds it in whichever version.",
        file="ledger/pauses.py",
        old='return said.partition(" ")[0].partition("@")[0]',
        new="return said",
        tests=(HOLDS,),
    ),
    Mutant(
        name="pause-lifted-twice",
        promise="Of two that lift a pause one does, and the other is told.",
        file="ledger/pauses.py",
        old="there = (pause.c.kind == kind, pause.c.name == plain(name), _IN_FORCE)",
        new="there = (pause.c.kind == kind, pause.c.name == plain(name))",
        tests=(f"{LEDGER}::test_of_two_that_lift_at_once_one_does",),
    ),
    Mutant(
        name="relay-sends-in-a-pause",
        promise="What was handed over is not sent while its project is paused.",
        file="ledger/relay.py",
        old="action.c.due_at <= now, _free(now), ~holds_run_of(action.c.trace))",
        new="action.c.due_at <= now, _free(now))",
        tests=(f"{LEDGER}::test_actions_of_what_is_paused_stay_with_the_relay",),
    ),
    Mutant(
        name="tools-of-a-paused-agent",
        promise="A pause of an agent holds its tool calls as well.",
        file="activities/running/pausing.py",
        old='turn=request.turn if isinstance(request, RunTool) else "")',
        new='turn="")',
        tests=("tests/activities/running/test_pausing.py::test_a_tool_call_is_its_agents",),
    ),
    Mutant(
        name="a-held-child-says-nothing",
        promise="A run whose child is held says so.",
        file="workflows/kit/wider_pause.py",
        old="            await tell_wait(run, said)",
        new="            pass",
        tests=(REACHES,),
    ),
    Mutant(
        name="workers-ask-for-no-pause",
        promise="Workers look for a pause before each step.",
        file="activities/running/pausing.py",
        old="            if held is not None:",
        new="            if False:",
        tests=(REACHES,),
    ),
)
