"""Gates speak a closed language: every kind has its verbs, and every verb belongs to a kind."""

from typing import Any, get_args

import pytest

from contracts.errors import ContractViolation
from contracts.gates import NEEDS_NOTE, OFFERED, VERBS, Decision, GateKind, Verb


def test_every_kind_of_gate_has_verbs() -> None:
    """No gate is without a way to answer it, and no verb without a gate."""
    assert set(VERBS) == set(get_args(GateKind))
    assert {verb for verbs in VERBS.values() for verb in verbs} == set(get_args(Verb))
    assert set(OFFERED) | NEEDS_NOTE <= set(get_args(Verb))


def test_what_can_be_approved_can_be_rejected() -> None:
    """Nobody is asked a question with only one answer."""
    for kind, verbs in VERBS.items():
        assert len(verbs) > 1 or verbs == ("answer",), kind
        assert ("approve" in verbs) == ("reject" in verbs)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gaet": "plan-1"}, "gaet: Extra inputs are not permitted"),
        ({"by": ""}, "by: String should have at least 1 character"),
        ({"gate": "x" * 201}, "gate: String should have at most 200 characters"),
        ({"note": "x" * 8001}, "note: String should have at most 8000 characters"),
        ({"subject": "abc"}, "subject: String should match pattern"),
        ({"answers": {str(number): "" for number in range(51)}}, "answers: Dictionary should have at most 50 items"),
        ({"by": ["olga"]}, "by: Input should be a valid string"),
    ],
)
def test_a_wrong_decision_names_its_field(change: dict[str, Any], said: str) -> None:
    """Whoever sends nonsense is told which field is wrong, and nothing sent is larger than its cap."""
    with pytest.raises(ContractViolation) as caught:
        Decision.read_typed_by_people({"gate": "plan-1", "by": "olga"} | change)
    assert said in str(caught.value)
