"""What was condemned: nothing that came from it is used, approved or sent, and nobody changes that unseen."""

from tests.mutants.mutant import Mutant

LEDGER, RUNS = "tests/ledger/test_condemnations.py", "tests/workflows/test_condemned.py"

MUTANTS = (
    Mutant(
        name="condemned-input-is-used",
        promise="A model is not asked with anything that came from something condemned.",
        file="activities/turns/reservation.py",
        old="    refuse_held(connection, run.trace, things)",
        new="    return",
        tests=(f"{RUNS}::test_a_step_is_held_before_its_model_is_asked_and_goes_on_with_a_note",),
    ),
    Mutant(
        name="condemned-reply-is-said-again",
        promise="A cached reply that came from something condemned is not used.",
        file="activities/turns/reservation.py",
        old="or condemnations.holding(connection, call.request.run.trace, [found.turn])",
        new="or False",
        tests=(f"{RUNS}::test_a_condemned_reply_is_not_said_again",),
    ),
    Mutant(
        name="condemned-gate-is-approved",
        promise="A gate that shows what came from something condemned is not approved.",
        file="activities/gates/gates.py",
        old="return not_approved(found) if found else None",
        new="return None",
        tests=(f"{RUNS}::test_a_gate_that_shows_it_cannot_be_approved_until_the_run_was_let_on",),
    ),
    Mutant(
        name="condemned-action-is-sent",
        promise="An approved action that came from something condemned is not sent.",
        file="activities/actions/outbox.py",
        old="held = condemnations.holding(connection, row.trace, [row.key], row.key)",
        new="held = ()",
        tests=(f"{LEDGER}::test_what_is_condemned_first_is_not_sent",),
    ),
    Mutant(
        name="stopped-run-still-acts",
        promise="What was approved in a run that was not let go on is withdrawn.",
        file="activities/gates/gates.py",
        old='if view.kind == "held" and not view.path and outcome.verb in ("reject", "expired"):',
        new="if False:",
        tests=(f"{RUNS}::test_a_run_that_is_stopped_takes_back_what_was_approved",),
    ),
    Mutant(
        name="go-on-lets-everything-on",
        promise="Letting one action happen lets nothing else happen.",
        file="ledger/condemnations.py",
        old='remedy.c.action == action, remedy.c.how == "goes_on"',
        new='remedy.c.how == "goes_on"',
        tests=(f"{LEDGER}::test_what_is_held_goes_on_where_a_person_says_so",),
    ),
    Mutant(
        name="tool-results-lead-nowhere-up",
        promise="Whatever leads down to a thing leads up from it.",
        file="ledger/handoffs.py",
        old='callers.update(row.parent for row in rows if row.relation in ("used", "generated"))',
        new="callers.update(())",
        tests=(f"{LEDGER}::test_whatever_leads_down_to_a_thing_leads_up_from_it",),
    ),
    Mutant(
        name="what-mends-is-held",
        promise="What takes an action back did not come from it, and is not held with it.",
        file="ledger/handoffs.py",
        old='_CAME_FROM = edge.c.relation != "undoes"',
        new='_CAME_FROM = edge.c.relation != ""',
        tests=(f"{LEDGER}::test_what_takes_it_back_is_not_held_and_shown_with_what_it_takes_back",),
    ),
    Mutant(
        name="undone-still-holds",
        promise="What was undone holds nothing.",
        file="ledger/condemnations.py",
        old="for row in rows_with(connection, query.where(_IN_FORCE), condemned.c.thing, things):",
        new="for row in rows_with(connection, query, condemned.c.thing, things):",
        tests=(f"{LEDGER}::test_condemned_twice_is_condemned_once",),
    ),
    Mutant(
        name="condemnation-not-sealed",
        promise="Who condemned what, and why, cannot be changed without being found.",
        file="ledger/seals.py",
        old='"condemnation": ("id", "what", "things", "why", "by", "at", "undone_by", "undone_why", "undone_at"),',
        new='"condemnation": ("id",),',
        tests=(f"{LEDGER}::test_nobody_changes_a_condemnation_unseen",),
    ),
    Mutant(
        name="bundle-without-condemned",
        promise="The bundle of a run has what was condemned of what it came from.",
        file="ledger/bundle.py",
        old="    if condemnations.ever_reached(connection, nodes):",
        new="    if False:",
        tests=(f"{LEDGER}::test_a_bundle_of_a_run_has_what_was_condemned_and_any_change_of_it_is_found",),
    ),
    Mutant(
        name="anybody-condemns",
        promise="Only who may decide at a gate held condemns, settles and undoes.",
        file="activities/gates/condemning.py",
        old="if (refused := refuses(policy, verb, by)) is not None:",
        new="if (refused := None) is not None:",
        tests=(f"{LEDGER}::test_only_who_may_decide_at_held_condemns_and_undoes",),
    ),
)
