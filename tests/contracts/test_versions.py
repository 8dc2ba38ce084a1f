"""Contracts of two versions: what was made as the old one is read as the new one, wherever nobody has to repair it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError

from contracts.base import Contract, Earlier, canonical, sha256
from contracts.delivery.plan import Plan, PlanV1
from contracts.errors import ContractViolation, NewerVersion
from contracts.handoff import Handoff, Producer
from contracts.registry import EVERY, named
from converter import DATA_CONVERTER
from tests.contracts import golden

OLD: dict[str, Any] = {
    "summary": "Round half up",
    "items": [
        {
            "id": "fix",
            "intent": "round",
            "files": ["a.py"],
            "settings": [],
            "acceptance": ["half a cent rounds up", ""],
            "depends_on": [],
        }
    ],
    "risks": ["prices change"],
    "check": None,
}
RISEN = OLD | {
    "items": [
        OLD["items"][0]
        | {
            "acceptance": [
                {"text": "half a cent rounds up", "shown_by": None},
                {"text": "(nothing was written)", "shown_by": None},
            ]
        }
    ]
}

FOUND: dict[str, Any] = {
    "file": "a.py",
    "line": 1,
    "quote": "x = 1",
    "severity": "low",
    "confidence": 500,
    "what": "It is one.",
    "why": "",
    "suggestion": "",
}
FINDINGS: list[dict[str, Any]] = [{"summary": "found", "findings": several} for several in ([FOUND], [])]

SAMPLES: dict[str, list[dict[str, Any]]] = {"plan/1": [OLD], "findings/1": FINDINGS}
"""For each contract that has a later version: bodies of it."""


def handoff(name: str, body: Any) -> Handoff[Any]:
    """A stored handoff, made as the contract `name`."""
    made = Producer(agent="planner", version="v1")
    return Handoff[Any](id=sha256(b"h"), contract_name=name, outcome="done", body=body, producer=made, trace="t", path="plan/1")


def converted(wanted: type[Contract], body: Any) -> Any:
    """A body as a worker gets it from Temporal: an input, or a result out of history."""
    payloads = DATA_CONVERTER.payload_converter.to_payloads([body])
    return DATA_CONVERTER.payload_converter.from_payloads(payloads, [wanted])[0]


def test_every_later_version_lifts_the_one_before_and_refuses_its_bodies() -> None:
    """Without the link nothing old could be read; and where a body says no version, it must fit one only."""
    for contract in EVERY:
        family, _, number = contract.contract.partition("/")
        known = [f"{family}/{version}" for version in range(int(number), 0, -1)]
        assert [one.contract for one in contract.versions()] == known
        for older in contract.versions()[1:]:
            for body in SAMPLES[older.contract]:
                assert named(older.contract).read(canonical(body))
                with pytest.raises(ValueError, match="validation error"):
                    contract.model_validate(body)


def test_an_old_body_is_read_wherever_bodies_are_read() -> None:
    """Stored bytes, what a person typed, what Temporal brings, and a handoff that says its version: all are the new one."""
    new = Plan.model_validate(RISEN)
    assert Plan.read(canonical(OLD)) == new
    assert Plan.read_typed_by_people(OLD) == new
    assert converted(Plan, OLD) == new
    assert handoff("plan/1", OLD).read_as(Plan) == new
    assert handoff("plan/2", RISEN).read_as(Plan) == new
    assert handoff("plan/1", None).read_as(Plan) is None


def test_a_models_reply_is_not_lifted() -> None:
    """Who is asked for the new version is told what does not fit and repairs it."""
    with pytest.raises(ContractViolation, match=r"^plan/2: items\.0\.acceptance\.0"):
        Plan.read_strict(canonical(OLD))


def test_what_fits_no_version_is_named_by_the_newest() -> None:
    """The message is about what should be written today."""
    wrong = RISEN | {"summary": ""}
    for read in (lambda: Plan.read(canonical(wrong)), lambda: Plan.read_typed_by_people(wrong)):
        with pytest.raises(ContractViolation, match=r"^plan/2: summary: "):
            read()
    with pytest.raises(ApplicationError, match="the input was refused: summary: String should have at least 1 character"):
        converted(Plan, wrong)
    with pytest.raises(ContractViolation, match=r"^plan/2: extra: Extra inputs are not permitted"):
        Plan.read_typed_by_people(RISEN | {"extra": 1})
    with pytest.raises(ContractViolation, match="plan/1: summary"):
        handoff("plan/1", OLD | {"summary": ""}).read_as(Plan)


def test_a_newer_version_is_refused_with_what_to_do() -> None:
    """An old worker beside a new one does not guess: it says which version came, what it reads, and to upgrade."""
    said = (
        r"plan/3 is newer than this release can read \(plan/1, plan/2\).*Upgrade this worker or command; until then, .* waits"
    )
    with pytest.raises(NewerVersion, match=said):
        handoff("plan/3", {"summary": "?"}).read_as(Plan)
    with pytest.raises(NewerVersion, match=said):
        named("plan/3")
    with pytest.raises(ContractViolation, match=r"plan/2: \(whole\): this was stored as test_notes/1"):
        handoff("test_notes/1", {"summary": "?"}).read_as(Plan)


TEXT = st.text(max_size=40)
ITEM = st.fixed_dictionaries(
    {
        "intent": st.text(min_size=1, max_size=40),
        "acceptance": st.lists(TEXT, min_size=1, max_size=20),
        "settings": st.just([]),
        "depends_on": st.just([]),
    }
)


@given(
    summary=st.text(min_size=1, max_size=80), risks=st.lists(TEXT, max_size=5), items=st.lists(ITEM, min_size=1, max_size=30)
)
def test_every_old_plan_is_a_new_one(summary: str, risks: list[str], items: list[dict[str, Any]]) -> None:
    """Nothing that the old version accepted is refused on the way up, and nothing but the criteria's form changes."""
    named_items = [{"id": f"i{at}", "files": [f"{at}.py"]} | item for at, item in enumerate(items)]
    old = PlanV1.model_validate({"summary": summary, "risks": risks, "items": named_items, "check": None})
    new = Plan.read_made_as("plan/1", old.model_dump(mode="json"))
    assert (new.summary, new.risks, new.check) == (old.summary, old.risks, old.check)
    for before, after in zip(old.items, new.items, strict=True):
        assert after.work.model_dump(exclude={"acceptance"}) == before.model_dump(exclude={"acceptance"})
        assert [one.line for one in after.acceptance] == [text or "(nothing was written)" for text in before.acceptance]


class Third(Contract, name="plan/3", earlier=Earlier(Plan, lambda body: {"title": body["summary"]})):
    """A version after the next, made for this test."""

    title: str


def test_versions_rise_step_by_step() -> None:
    """A body of the first version goes through the second to the third."""
    assert Third.read(canonical(OLD)).title == "Round half up"
    assert Third.read_made_as("plan/1", OLD).title == "Round half up"
    assert [one.contract for one in Third.versions()] == ["plan/3", "plan/2", "plan/1"]


def test_both_versions_are_kept_and_the_old_one_is_as_it_was() -> None:
    """The golden schema of the old version stays: what was released under it must be readable for ever."""
    assert json.loads(golden.path_of("plan/1").read_text())["properties"]["items"]
    assert golden.path_of("plan/2").exists()
    broken = [one for one in EVERY if one is not PlanV1]
    assert golden.breaking(broken) == [
        "plan/1: the contract is gone; stored ones could no longer be read. Put it back into contracts/registry.py"
    ]
