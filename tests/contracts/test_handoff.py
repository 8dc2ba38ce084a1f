"""An answer agrees with itself, and a handoff gives its body only where it is done."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.providers.schema import closed_schema
from contracts.base import Contract, digest_of
from contracts.delivery.plan import Plan, PlanTask, PlanV1
from contracts.delivery.testing import TestNotes, TestTask
from contracts.delivery.writing import WriteSummary, WriteTask
from contracts.errors import ContractViolation
from contracts.handoff import Answer, Handoff, Outcome, Producer

BODY = {"summary": "did it", "how_it_meets": []}
QUESTION = {"id": "which", "text": "which one?", "options": []}

TAKEN_OR_RETURNED = [PlanTask, Plan, PlanV1, WriteTask, WriteSummary, TestTask, TestNotes]


def answer(**changes: Any) -> dict[str, Any]:
    """What a model returns when all went well."""
    return {"outcome": "done", "reason": "", "confidence": 900, "questions": [], "claims": [], "body": BODY} | changes


def read(**changes: Any) -> Answer[Any]:
    """Parse it as the boundary does."""
    return Answer[WriteSummary].read_strict(json.dumps(answer(**changes)))


ACCEPTED = [
    answer(),
    answer(outcome="could_not", reason="no such file", body=None),
    answer(outcome="could_not", reason="half of it is there"),
    answer(outcome="unsure", reason="two ways", questions=[QUESTION]),
    answer(outcome="unsure", reason="two ways", body=None),
]


@pytest.mark.parametrize("given_", ACCEPTED)
def test_all_three_outcomes_are_accepted(given_: dict[str, Any]) -> None:
    """Done, unsure with or without questions, could_not with or without what there is."""
    assert read(**given_).outcome == given_["outcome"]


REFUSED = [
    ({"body": None}, "outcome 'done' needs a body"),
    ({"outcome": "unsure"}, "outcome 'unsure' needs a reason"),
    ({"outcome": "could_not", "reason": "  "}, "outcome 'could_not' needs a reason"),
    ({"questions": [QUESTION]}, "questions go with outcome 'unsure'"),
    ({"outcome": "could_not", "reason": "r", "questions": [QUESTION]}, "questions go with outcome 'unsure'"),
    ({"outcome": "perhaps"}, "outcome: Input should be 'done', 'unsure' or 'could_not'"),
    ({"confidence": 1001}, "confidence: Input should be less than or equal to 1000"),
    ({"confidence": 0.9}, "confidence: Input should be a valid integer"),
    ({"body": {"summary": "x"}}, "body.how_it_meets: Field required"),
    ({"body": BODY | {"extra": 1}}, "body.extra: Extra inputs are not permitted"),
    ({"verdict": "passed"}, "verdict: Extra inputs are not permitted"),
    ({"questions": [QUESTION | {"id": "Which one"}], "outcome": "unsure", "reason": "r"}, "questions.0.id"),
]


@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_an_answer_that_contradicts_itself_is_refused(change: dict[str, Any], said: str) -> None:
    """Each rule names itself, so that the model can repair its answer."""
    with pytest.raises(ContractViolation) as caught:
        read(**change)
    assert said in str(caught.value)


def handoff(outcome: Outcome, body: WriteSummary | None) -> Handoff[WriteSummary]:
    """A handoff of a writer."""
    return Handoff[WriteSummary](
        id=digest_of("h"),
        contract_name="write_summary/1",
        outcome=outcome,
        body=body,
        reason="" if outcome == "done" else "because",
        producer=Producer(agent="writer", version="v1"),
        trace="t",
        path="write/item-1",
    )


def test_only_a_done_handoff_gives_its_body() -> None:
    """A coordinator that did not route the outcome is told which step it forgot."""
    body = WriteSummary(summary="s", how_it_meets=())
    assert handoff("done", body).result == body
    for outcome in ("unsure", "could_not"):
        with pytest.raises(ValueError, match=rf"handoff write/item-1 is {outcome}: because"):
            _ = handoff(outcome, body).result


def test_a_handoff_keeps_its_typed_body_over_the_wire() -> None:
    """Read as the same kind of handoff the body is a contract again; read without a kind it is plain data."""
    made = handoff("done", WriteSummary(summary="höher", how_it_meets=("a",)))
    assert Handoff[WriteSummary].read(made.stored()) == made
    assert Handoff[Any].read(made.stored()).body == {"summary": "höher", "how_it_meets": ["a"]}


@pytest.mark.parametrize("contract", TAKEN_OR_RETURNED, ids=lambda contract: contract.contract)
def test_every_agents_contract_can_be_said_strictly(contract: type[Contract]) -> None:
    """A strict provider accepts the schema of what agents take and return, alone and inside an answer."""
    for model in (contract, Answer[contract]):  # type: ignore[valid-type]
        schema = closed_schema(model)
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])


@given(st.integers(0, 1000), st.text(max_size=50), st.sampled_from(["done", "unsure", "could_not"]), st.booleans())
def test_an_accepted_answer_always_has_what_its_outcome_needs(
    confidence: int, reason: str, outcome: str, with_body: bool
) -> None:
    """Whatever comes in: done has a body, and anything else has a reason."""
    try:
        made = read(confidence=confidence, reason=reason, outcome=outcome, body=BODY if with_body else None)
    except ContractViolation:
        assert (outcome == "done" and not with_body) or (outcome != "done" and not reason.strip())
    else:
        assert made.body is not None if made.outcome == "done" else made.reason.strip()
