"""Text from outside: what it decides asks a person, a reader only reads, and a second agent's doubts stand."""

from tests.mutants.mutant import Mutant

ACTIONS, PUPPET = "tests/activities/actions/test_from_outside.py", "tests/puppet/test_puppet.py"
FILES, READERS, SUSPECTS = (
    "tests/activities/agents/test_readers.py",
    "tests/workflows/test_readers.py",
    "tests/workflows/test_suspects.py",
)

MUTANTS = (
    Mutant(
        name="tainted-acts-by-itself",
        promise="What outside text has flowed into acts on tier auto only where its type's entry says so.",
        file="contracts/actions.py",
        old='("confirm" if asks else self.tier)',
        new="self.tier",
        tests=("tests/activities/gates/test_policy.py::test_what_is_tainted_acts_by_itself_only_where_its_entry_says_so",),
    ),
    Mutant(
        name="sinks-from-outside-act",
        promise="An argument that stands only in text from outside has a person asked.",
        file="activities/actions/deliver.py",
        old='return more or (by_text_from_outside(found) if "action" in pins.gates else "")',
        new="return more",
        tests=(ACTIONS,),
    ),
    Mutant(
        name="only-the-workflow-knows-taint",
        promise="What a run has seen from outside counts, whatever its workflow says of it.",
        file="activities/actions/allowed.py",
        old="known = as_taint((*request.facts.taint, *sources))",
        new="known = as_taint(request.facts.taint)",
        tests=(f"{ACTIONS}::test_what_the_run_saw_counts_whatever_its_workflow_says",),
    ),
    Mutant(
        name="tainted-agents-vouch",
        promise="What a tainted agent made vouches for nothing.",
        file="ledger/outside.py",
        old='if not whole.get("taint"):',
        new="if whole:",
        tests=(f"{ACTIONS}::test_a_value_that_an_agent_put_together_is_from_outside_as_well",),
    ),
    Mutant(
        name="a-part-vouches",
        promise="A value is vouched for as a whole: a longer name or number that holds it is another one.",
        file="contracts/sinks.py",
        old="not _goes_on(_AFTER, text[ends : ends + 2])",
        new="True",
        tests=("tests/contracts/test_sinks.py",),
    ),
    Mutant(
        name="failures-do-not-taint",
        promise="A tool's failure, or a list of names, taints as what it shows does.",
        file="activities/turns/provenance.py",
        old='taint.add(sources.get(row.name, ""))',
        new='taint.add("")',
        tests=(f"{PUPPET}::test_by_default_nothing_that_was_tainted_acts_by_itself",),
    ),
    Mutant(
        name="links-are-prose",
        promise="An address of a page in a text is a sink.",
        file="contracts/sinks.py",
        old="found += _addresses(name, value)",
        new="found += ()",
        tests=(f"{PUPPET}::test_no_order_of_the_corpus_is_carried_out_without_a_person",),
    ),
    Mutant(
        name="readers-have-tools",
        promise="A reader with tools is refused when a worker starts.",
        file="activities/agents/readers.py",
        old="if file.tools or file.resources:",
        new="if False:",
        tests=(f"{FILES}::test_a_reader_that_could_do_more_is_refused",),
    ),
    Mutant(
        name="others-read-the-text",
        promise="What a reader was given no other agent can open.",
        file="activities/tools/memory.py",
        old="if name == artifacts.FOR_READERS}",
        new="if not name}",
        tests=(f"{READERS}::test_only_the_reader_sees_the_text",),
    ),
    Mutant(
        name="readers-quote",
        promise="A reader hands on its fields and no quotes.",
        file="activities/turns/provenance.py",
        old="    if agent.file.reader:",
        new="    if False:",
        tests=(f"{READERS}::test_only_the_reader_sees_the_text",),
    ),
    Mutant(
        name="its-own-class-suspects",
        promise="Claims are re-checked by an agent of another class.",
        file="activities/agents/suspects.py",
        old="if other.file.model_class == agent.file.model_class:",
        new="if False:",
        tests=(f"{FILES}::test_a_suspect_that_would_prove_nothing_is_refused",),
    ),
    Mutant(
        name="doubts-are-forgotten",
        promise="A claim that the second agent does not confirm stands at the next gate, and counts for the risk.",
        file="workflows/kit/suspects.py",
        old="    if not doubts:",
        new="    if doubts is not None:",
        tests=(f"{SUSPECTS}::test_what_a_second_agent_doubts_stands_at_the_gate",),
    ),
)
