"""Mutants of answering tickets: code has the last word, and a ticket is answered once."""

from tests.mutants.mutant import Mutant

SUPPORT = "tests/activities/support"

MUTANTS = (
    Mutant(
        name="refund-above-the-order",
        promise="A refund is at most what the customer's own order still allows, whoever proposes more.",
        file="contracts/support_checks.py",
        old="    if refund.cents > order.cents:",
        new="    if refund.cents > order.cents and not refund.why:",
        tests=(f"{SUPPORT}/test_cases.py::test_orders_in_a_ticket_change_no_tier_recipient_or_amount",),
    ),
    Mutant(
        name="fixed-parameter-is-free",
        promise="A parameter that a story has set cannot be another one in a tool call.",
        file="activities/tools/queries.py",
        old="if name in use.fixed and value != use.fixed[name]",
        new="if name in use.fixed and value is None",
        tests=("tests/activities/resources/test_resources.py::test_a_parameter_that_the_story_sets_cannot_be_another_one",),
    ),
    Mutant(
        name="ticket-dealt-with-twice",
        promise="A ticket is dealt with once, in however many runs.",
        file="ledger/cases.py",
        old="    if not _is_left(connection, found):",
        new="    if not _is_left(connection, found) and not found.ending:",
        tests=("tests/ledger/test_cases.py::test_a_ticket_is_dealt_with_once_unless_it_was_left",),
    ),
    Mutant(
        name="joined-to-nothing",
        promise="What joined a case that was left without an answer is told as unanswered.",
        file="ledger/cases.py",
        old='        head.c.ending == "could_not",',
        new='        head.c.ending == "left",',
        tests=("tests/ledger/test_cases.py::test_a_further_ticket_joins_the_case_of_its_issue",),
    ),
    Mutant(
        name="unknown-entry-is-small",
        promise="A rule about an entry that is missing or no number fires.",
        file="contracts/rules.py",
        old="    if found is None or (numeric and _number(found) is None):",
        new="    if found is None and not numeric:",
        tests=("tests/docs/test_support.py::test_the_policy_of_the_page_pays_small_refunds_and_no_large_ones",),
    ),
    Mutant(
        name="slot-is-kept",
        promise="A child that waits for a person gives its slot to the next.",
        file="workflows/kit/slots.py",
        old="        return found & self._open",
        new="        return set()",
        tests=("tests/workflows/test_slots.py::test_the_others_end_while_some_wait_for_people",),
    ),
    Mutant(
        name="any-number-waits",
        promise="Only so many children wait for people before no further one begins.",
        file="workflows/kit/slots.py",
        old="        return len(self._open) - waiting < self._limit and waiting < WAITING_LIMIT",
        new="        return len(self._open) - waiting < self._limit",
        tests=("tests/workflows/test_slots.py::test_only_so_many_wait",),
    ),
    Mutant(
        name="patch-of-another-gate",
        promise="A stored patch is taken at the gate that it was stored for, and at no other.",
        file="ledger/handed_in.py",
        old='    return f"patch handed in at {view.gate} of {view.trace}"',
        new='    return "patch handed in"',
        tests=("tests/ledger/test_handed_in.py::test_what_is_too_large_or_another_gates_is_refused",),
    ),
    Mutant(
        name="two-orders-are-one",
        promise="A ticket that names two orders is a person's matter.",
        file="contracts/desk_rules.py",
        old="if len(orders) > 1 else []",
        new="if len(orders) > 2 else []",
        tests=(f"{SUPPORT}/test_cases.py::test_two_hundred_tickets_end_as_they_are_written",),
    ),
)
