"""The policy: rules only add, two people are two, and what is loosened counts once it is approved."""

from tests.mutants.mutant import Mutant

COMMANDS, RUNS = "tests/commands/test_policy.py", "tests/workflows/test_policy_rules.py"
LOOSENING = f"{COMMANDS}::test_loosening_counts_once_owners_have_approved_it"

MUTANTS = (
    Mutant(
        name="one-person-is-two",
        promise="Four eyes are those of two people: nobody is counted twice, however the name is written.",
        file="activities/gates/four_eyes.py",
        old="if any(same_person(one, by) for one in before.values()):",
        new="if False:",
        tests=(f"{RUNS}::test_three_tiers_in_one_run_and_two_people_for_one_of_them",),
    ),
    Mutant(
        name="looser-file-counts",
        promise="Loosening the policy by an edit of its file changes nothing but a warning.",
        file="activities/gates/standing.py",
        old='return (together(before, file), "merged", waiting) if waiting',
        new='return (file, "merged", waiting) if waiting',
        tests=(LOOSENING,),
    ),
    Mutant(
        name="anybody-loosens",
        promise="Only the owners of the policy in force approve a looser one.",
        file="activities/gates/proposing.py",
        old="refused = refuses(before, proposal, by)",
        new="refused = None",
        tests=(LOOSENING,),
    ),
    Mutant(
        name="fewer-approvals-are-stricter",
        promise="Of two policies the stricter entry holds until the looser one is approved.",
        file="activities/gates/orders.py",
        old="MOST = Order(lambda old, new: new < old, max)",
        new="MOST = Order(lambda old, new: new < old, min)",
        tests=("tests/activities/gates/test_comparison.py::test_each_key_has_a_looser_side_and_a_stricter_one",),
    ),
    Mutant(
        name="rate-ignored",
        promise="What is over its rate asks or waits, and is never just done.",
        file="activities/actions/allowed.py",
        old="    if found.room is None:",
        new="    if True:",
        tests=(f"{RUNS}::test_what_is_over_its_rate_asks",),
    ),
    Mutant(
        name="unknown-is-harmless",
        promise="A rule that asks for arguments which nobody knows fires.",
        file="contracts/rules.py",
        old="return arguments is None or _holds_of(",
        new="return arguments is not None and _holds_of(",
        tests=(f"{COMMANDS}::test_every_rule_is_seen_to_fire",),
    ),
)
