"""Agents and models: what they read taints, what they say is checked, what fails is left alone, and what was paid is kept."""

from tests.mutants.mutant import Mutant

BREAKERS, TAINT = "tests/ledger/test_breakers.py", "tests/workflows/test_taint.py"

MUTANTS = (
    Mutant(
        name="nothing-tainted",
        promise="What an agent made after it read untrusted sources is tainted.",
        file="activities/turns/provenance.py",
        old='taint.add(f"tool:{row.name}")',
        new="pass",
        tests=(TAINT,),
    ),
    Mutant(
        name="taint-does-not-flow",
        promise="Taint flows on to all that is made from a tainted handoff.",
        file="activities/turns/provenance.py",
        old="taint = {name for one in inputs for name in one.taint}",
        new="taint = set[str]()",
        tests=(TAINT,),
    ),
    Mutant(
        name="taint-ends-at-a-function",
        promise="What a function makes in place of a model is as tainted as its inputs.",
        file="activities/agents/fallbacks.py",
        old="taint=tuple(sorted({name for one in given for name in one.taint})),",
        new="taint=(),",
        tests=("tests/activities/agents/test_chains.py::test_what_a_function_makes_is_as_tainted_as_its_inputs",),
    ),
    Mutant(
        name="turn-paid-twice",
        promise="A call whose answer is stored is not made again.",
        file="activities/turns/reservation.py",
        old="        if stored is not None:",
        new="        if False:",
        tests=("tests/activities/turns/test_models.py::test_a_stored_turn_is_not_paid_twice",),
    ),
    Mutant(
        name="turn-of-another-agent",
        promise="Another version of an agent never finds the turns of the one before.",
        file="contracts/ids.py",
        old='digest_of("turn", trace, path, head, agent_digest, task_digest,',
        new='digest_of("turn", trace, path, head, task_digest,',
        tests=("tests/contracts/test_ids.py::test_two_turns_never_share_a_key",),
    ),
    Mutant(
        name="cache-across-projects",
        promise="No project is answered from another one's cache.",
        file="activities/turns/reply_cache.py",
        old='digest_of("cached-reply", project, agent_digest,',
        new='digest_of("cached-reply", agent_digest,',
        tests=("tests/activities/turns/test_caching.py::test_project_agent_version_and_model_count",),
    ),
    Mutant(
        name="quote-unchecked",
        promise="A claim whose quote is not in what was read is marked as unsupported.",
        file="activities/turns/replies.py",
        old='in texts.get(one.artifact, b"") for one in claim.evidence)',
        new='in b"".join(texts.values()) for one in claim.evidence)',
        tests=("tests/activities/turns/test_replies.py::test_a_claim_needs_a_verbatim_quote_from_what_was_read",),
    ),
    Mutant(
        name="any-tool-will-do",
        promise="An agent uses the tools of its file and no others.",
        file="activities/turns/replies.py",
        old="if call.name not in names:",
        new="if False:",
        tests=("tests/workflows/test_ask.py::test_a_wrong_reply_is_repaired",),
    ),
    Mutant(
        name="probed-too-early",
        promise="An open breaker is tried only after its time.",
        file="ledger/breakers.py",
        old='and_(_OPEN, breaker.c.until <= _number("moment")),',
        new="_OPEN,",
        tests=(f"{BREAKERS}::test_one_probe_and_its_success_closes",),
    ),
    Mutant(
        name="fallback-unstamped",
        promise="What a fallback made is stamped as degraded, in the report, too.",
        file="workflows/kit/model_outage.py",
        old="        kit.degraded[handoff.path] = handoff.degraded",
        new="        pass",
        tests=("tests/outage/test_delivery.py",),
    ),
)
