"""Mutants of outside programs: what counts of their work, and what never happens by itself."""

from tests.mutants.mutant import Mutant

TOOL = "tests/activities/tools/test_program.py::test_what_did_not_end_well_leaves_nothing"
PREPARED = "tests/activities/tools/test_program.py::test_a_program_sees_what_is_prepared_for_the_check"

MUTANTS = (
    Mutant(
        name="program-acts-by-itself",
        promise="In a run with an outside program no action happens without a person, whatever policy's tier.",
        file="workflows/kit/rulings.py",
        old='if made.tier == "auto" and run.unmetered:',
        new="if False:",
        tests=("tests/workflows/test_outside.py::test_nothing_happens_by_itself_in_a_run_with_a_program",),
    ),
    Mutant(
        name="program-writes-its-secret",
        promise="A change that holds the value of a program's variable is no change.",
        file="activities/tools/program.py",
        old="if told := [name for name, value in secrets.items() if len(value) >= SECRET and value.encode() in changed]:",
        new="if told := list[str]():",
        tests=(TOOL,),
    ),
    Mutant(
        name="program-changes-the-environment",
        promise="A command in the sandbox cannot change what was prepared for checks.",
        file="activities/sandbox/layout.py",
        old='for part in ("--ro-bind", str(prefix), str(prefix))]',
        new='for part in ("--bind", str(prefix), str(prefix))]',
        tests=(f"{PREPARED}_and_cannot_change_it",),
    ),
    Mutant(
        name="program-sees-no-environment",
        promise="A program sees what was prepared for the check.",
        file="activities/tools/program.py",
        old="environment=setting.environment or prepared,",
        new="environment=setting.environment,",
        tests=(f"{PREPARED}_and_cannot_change_it",),
    ),
    Mutant(
        name="program-failed-and-counts",
        promise="Nothing stays of a program that ended with another code than 0.",
        file="activities/tools/program.py",
        old="if done.exit_code == 0 and not done.stopped",
        new="if True",
        tests=(TOOL,),
    ),
    Mutant(
        name="program-is-free",
        promise="A route to an outside program counts as paid: it needs ceilings.",
        file="activities/money/scopes.py",
        old='if not (choice.free or choice.is_person or choice.provider == "scripted")]',
        new='if not (choice.free or choice.is_person or choice.provider in ("scripted", "command"))]',
        tests=("tests/activities/agents/test_programs.py::test_an_unmetered_route_is_no_free_one",),
    ),
    Mutant(
        name="waiting-counts-as-saved",
        promise="The least that was saved is without all the time that gates waited for people.",
        file="ledger/figures/value.py",
        old="return self.finished * self.before - self.waited_minutes, self.finished * self.before",
        new="return self.finished * self.before, self.finished * self.before",
        tests=("tests/ledger/test_figures_value.py",),
    ),
)
