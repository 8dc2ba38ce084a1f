"""Gates: a decision is about bytes, made in time by somebody who may, once; silence never approves."""

from tests.mutants.mutant import Mutant

POLICY, TIMES = "tests/activities/gates/test_policy.py", "tests/workflows/test_gates.py"
INPUT, DECISIONS = "tests/workflows/test_bad_input.py", "tests/workflows/test_decisions.py"
TOLD = "tests/workflows/test_told.py"
WORK = "tests/workflows/test_work.py"

MUTANTS = (
    Mutant(
        name="any-subject-will-do",
        promise="A decision about other bytes than those shown is refused.",
        file="workflows/kit/messages.py",
        old="if said.subject is not None and said.subject != view.subject:",
        new="if False:",
        tests=(f"{DECISIONS}::test_a_decision_is_about_the_bytes_that_are_shown",),
    ),
    Mutant(
        name="old-revision-approved",
        promise="Who approves a later revision says which bytes were looked at.",
        file="workflows/kit/messages.py",
        old="if view.revision > 1 and said.subject is None",
        new="if False",
        tests=(f"{DECISIONS}::test_a_later_revision_is_approved_only_with_its_digest",),
    ),
    Mutant(
        name="subject-not-carried-over",
        promise="A decision about one subject never counts for another in the ledger.",
        file="ledger/gates.py",
        old="    if row.subject != view.subject:",
        new="    if False:",
        tests=("tests/ledger/test_gates.py::test_a_decision_never_counts_for_another_subject",),
    ),
    Mutant(
        name="silence-approves",
        promise="Silence never approves.",
        file="ledger/gates.py",
        old="return Decided(gate=view.gate, won=True, verb=how, subject=view.subject, at=at)",
        new='return Decided(gate=view.gate, won=True, verb="approve", subject=view.subject, at=at)',
        tests=(f"{TIMES}::test_silence_rejects_at_the_deadline",),
    ),
    Mutant(
        name="nobody-is-next",
        promise="A gate that nobody answers goes to the next in line before it closes.",
        file="workflows/kit/gate.py",
        old="            if not escalation:",
        new="            if True:",
        tests=(f"{TIMES}::test_silence_escalates_before_it_rejects",),
    ),
    Mutant(
        name="agents-decide",
        promise="Agents never decide at a gate.",
        file="activities/gates/policy.py",
        old='if by.startswith("agent:"):',
        new="if False:",
        tests=(f"{POLICY}::test_agents_say_nothing_at_gates",),
    ),
    Mutant(
        name="requester-approves",
        promise="Where policy wants four eyes who asked for a run does not approve it.",
        file="activities/gates/policy.py",
        old="and not rule.requester_may_approve and same_person(by, owner):",
        new="and False:",
        tests=(f"{POLICY}::test_who_may_approve",),
    ),
    Mutant(
        name="requester-raises",
        promise="Four eyes hold for money, too: who asked for a run does not raise its ceiling.",
        file="activities/gates/policy.py",
        old="if (works or verb in SAYS_YES) and",
        new='if (works or verb == "approve") and',
        tests=(f"{POLICY}::test_who_asked_may_always_say_no",),
    ),
    Mutant(
        name="requester-does-steps",
        promise="Whom policy keeps from approving their own run also does none of its steps.",
        file="activities/gates/policy.py",
        old="if (works or verb in SAYS_YES) and",
        new="if verb in SAYS_YES and",
        tests=(f"{WORK}::test_who_asked_for_the_run_may_be_kept_from_its_steps",),
    ),
    Mutant(
        name="work-is-taken-as-it-is",
        promise="What a person hands in does not count before it fits the contract.",
        file="activities/gates/gates.py",
        old="refused = refused or handed.problem",
        new="pass",
        tests=(f"{WORK}::test_a_person_plans_a_delivery",),
    ),
    Mutant(
        name="a-name-brings-a-role",
        promise="Where any name is taken a name brings no role with it.",
        file="activities/gates/policy.py",
        old='if self.identity != "any" else set()',
        new="if by in self.people else set()",
        tests=(f"{POLICY}::test_who_may_approve",),
    ),
    Mutant(
        name="approved-unseen",
        promise="An approval that comes before its gate counts only for what was looked at.",
        file="workflows/kit/inbox.py",
        old='(verb == "approve" and claimed.decision.subject is not None)',
        new='verb == "approve"',
        tests=(f"{INPUT}::test_an_early_reject_is_kept_and_applied_when_the_gate_opens",),
    ),
    Mutant(
        name="two-winners",
        promise="Of two people at once one decides, and the other is told who was faster.",
        file="workflows/kit/inbox.py",
        old="        if state.claim is not None:",
        new="        if False:",
        tests=(f"{TOLD}::test_who_comes_while_a_decision_is_checked_is_told_at_once",),
    ),
    Mutant(
        name="abandoned-without-a-word",
        promise="Whoever decides at a gate that cannot be recorded is told so, and does not wait for ever.",
        file="workflows/kit/gate.py",
        old="            _abandoned(kit, state, str(error))",
        new="            pass",
        tests=(f"{TOLD}::test_a_decision_that_cannot_be_recorded_is_told_so",),
    ),
    Mutant(
        name="any-nonce-is-mine",
        promise="A decision that was sent again is known by its nonce, its verb and its sender together.",
        file="workflows/kit/claims.py",
        old="(said.nonce, verb, said.by) != (ended.nonce, ended.verb, ended.by)",
        new="said.nonce != ended.nonce",
        tests=("tests/workflows/test_chain.py::test_a_nonce_makes_two_peoples_decisions_not_one",),
    ),
    Mutant(
        name="cancelled-takes-back",
        promise="Who decided before a cancellation is told that the decision counted.",
        file="workflows/kit/gate.py",
        old="(decided.verb, decided.by) == (state.claim.said.verb, state.claim.said.decision.by)",
        new="False",
        tests=("tests/workflows/test_cancel.py::test_a_decision_that_counts_is_not_refused_by_a_cancellation",),
    ),
)
