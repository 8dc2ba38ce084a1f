"""What came from a thing over all runs, and handoffs found by what made them."""

from typing import Any

import pytest
from sqlalchemy import Connection

from contracts.base import canonical, sha256
from contracts.handoff import Handoff, Producer
from contracts.ids import handoff_id
from ledger import handoffs
from ledger.db import Ledger
from ledger.views.contents import Contents
from ledger.views.impact import impact_of
from ledger.views.origins import Node
from ledger.views.selection import Selection, select_handoffs
from tests.ledger import samples
from tests.ledger.contents import begin
from tests.ledger.traced import REPORT, SOURCE, traced


@pytest.fixture
def both(ledger: Ledger) -> dict[str, str]:
    """Two runs; the id of each one's handoff."""
    for trace in ("trace-1", "trace-2"):
        begin(ledger, trace)
    return {trace: ledger.tx_now(traced, ledger, trace, f"cents {trace}") for trace in ("trace-1", "trace-2")}


def test_a_source_leads_to_all_that_came_of_it_in_every_run(ledger: Ledger, both: dict[str, str]) -> None:
    """By way of the tool that read it and the turn after that: handoffs, reports, gates and actions of both runs."""
    del both
    found = ledger.read_now(impact_of, [sha256(SOURCE)])
    assert {one.trace for one in found.runs} == {"trace-1", "trace-2"}
    assert {one.summary for one in found.effects} == {"push trace-1", "push trace-2"}
    assert {(one.run, one.gate) for one in found.gates} == {("delivery-trace-1", "plan-1"), ("delivery-trace-2", "plan-1")}
    # The source itself; and of each run a call, a turn after it, a handoff, report and subject, a gate and an action.
    assert found.things == {"artifact": 5, "tool": 2, "turn": 2, "handoff": 2, "gate": 2, "action": 2}
    assert found.complete
    assert not ledger.read_now(impact_of, [sha256(SOURCE)], 2).complete


def test_equal_bytes_of_two_runs_are_two_things(ledger: Ledger, both: dict[str, str]) -> None:
    """Both made the same report: what came of the one run's handoff is in that run alone."""
    found = ledger.read_now(impact_of, [both["trace-1"]])
    assert [one.trace for one in found.runs] == ["trace-1"]
    assert [one.summary for one in found.effects] == ["push trace-1"]
    below = ledger.read_now(handoffs.downstream, [both["trace-1"]], 100)
    assert [one for one in below if one.endswith(sha256(REPORT))] == [f"trace-1/{sha256(REPORT)}"]


def test_handoffs_are_found_by_what_is_known_of_them(ledger: Ledger, both: dict[str, str]) -> None:
    """Each question alone and all together; words of a claim in any case and order, signs of LIKE as they are."""
    mine = both["trace-1"]

    def found(**wanted: Any) -> set[str]:
        return {one.id for one in ledger.read_now(select_handoffs, Selection(**wanted), 10)}

    assert found(claim="CENTS unit trace-1") == {mine}
    assert found(claim="100%") == set(both.values())
    assert found(claim="100_") == set()
    assert found(agent="planner@v2") == found(agent="planner") == set(both.values())
    assert found(agent="planner@v1") == found(agent="plan") == set()
    assert found(model="small") == found(model="openai:small") == set(both.values())
    assert found(model="mall") == found(model="azure:small") == set()
    assert found(source="shop/pricing.py") == found(source=sha256(SOURCE)) == set(both.values())
    assert found(source="pricing.py") == set()
    assert found(project="other") == set()
    assert found(until=samples.NOW) == set()
    assert found(since=samples.NOW, claim="trace-1", agent="planner@v2", model="small", source="shop/pricing.py") == {mine}
    [told] = ledger.read_now(select_handoffs, Selection(claim="all", source="shop/pricing.py", agent="planner@v2"), 1)
    assert told.says == "shop: 100% = all (unsupported)"


def test_a_kind_of_source_leads_to_what_it_flowed_into_in_every_run(ledger: Ledger, both: dict[str, str]) -> None:
    """What names the kind, and what was made of that without naming it; another kind, or the word in a body, is none of it."""
    made = {
        name: ledger.tx_now(_handed_off, name, taint, inputs)
        for name, taint, inputs in (
            ("page", ("tool:fetch", "web"), ()),
            ("log", ("log",), ()),
            ("says_web", (), ()),
            ("of_page", (), ("page",)),
        )
    }

    def found(**wanted: Any) -> set[str]:
        return {one.id for one in ledger.read_now(select_handoffs, Selection(**wanted), 10)}

    assert found(source="web") == found(source="tool:fetch") == {made["page"], made["of_page"]}
    assert found(source="web", agent="page") == {made["page"]}
    assert found(source="log") == {made["log"]}
    assert found(source="ticket") == found(source="tool:fet") == set()
    assert both.keys() == {"trace-1", "trace-2"}


def _handed_off(connection: Connection, name: str, taint: tuple[str, ...], inputs: tuple[str, ...]) -> str:
    body = {"summary": f'{name} says ["web"]', "taint": ["web", "ticket"]}
    identity = lambda of: handoff_id("trace-1", of, sha256(canonical({"of": of})))  # noqa: E731
    made = Handoff[Any](
        id=identity(name),
        contract_name="plan/2",
        outcome="done",
        body=body,
        producer=Producer(agent=name),
        inputs=tuple(identity(one) for one in inputs),
        taint=taint,
        trace="trace-1",
        path=name,
    )
    handoffs.put(connection, made, sha256(canonical(body)), canonical(made.model_dump(mode="json")))
    return made.id


def test_what_stands_behind_an_id_is_read_to_the_bytes(ledger: Ledger, both: dict[str, str]) -> None:
    """An artifact by its digest and by its run; a tool's call with its arguments."""
    del both

    def parts(kind: Any, identity: str) -> list[tuple[str, bytes]]:
        content = ledger.read_now(lambda connection: Contents(connection, ledger.files).of(Node(kind, identity)))
        return [(one.label, one.data) for one in content.parts]

    report = sha256(REPORT)
    assert parts("artifact", report) == parts("artifact", f"trace-1/{report}") == [("artifact", REPORT)]
    first = samples.turn(1, trace="trace-1")
    assert parts("tool", f"{first.id}/0") == [("result of read_file", b"{}"), ("arguments", b'{\n "path": "a"\n}')]
