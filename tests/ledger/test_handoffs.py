"""Handoffs are kept once, with what they were made from, and the way back up ends also where it goes in a circle."""

from typing import Any

import pytest
from sqlalchemy import insert

from contracts.base import canonical, sha256
from contracts.errors import NotFound
from contracts.handoff import Claim, EvidenceRef, Handoff, Producer
from contracts.ids import handoff_id
from ledger import handoffs
from ledger.db import Ledger
from ledger.tables import edge


def made(path: str = "plan", trace: str = "trace-1", inputs: tuple[str, ...] = ("task",)) -> Handoff[Any]:
    """A handoff with a claim."""
    body = {"summary": "höher"}
    evidence = EvidenceRef(artifact="a", quote="x")
    return Handoff[Any](
        id=handoff_id(trace, path, sha256(canonical(body))),
        contract_name="plan/1",
        outcome="done",
        body=body,
        producer=Producer(agent="planner", version="v1"),
        inputs=inputs,
        claims=(Claim(subject="a.py", attribute="says", value="x", evidence=(evidence,)),),
        taint=("tool:read_file",),
        trace=trace,
        path=path,
    )


def put(ledger: Ledger, one: Handoff[Any]) -> None:
    """Keep it."""
    stored = canonical(one.model_dump(mode="json"))
    ledger.tx_now(handoffs.put, one, sha256(canonical(one.body)), stored)


def test_a_handoff_comes_back_whole(ledger: Ledger) -> None:
    """Body, claims, taint and producer are there again."""
    put(ledger, made())
    assert ledger.read_now(handoffs.get, made().id) == made()


def test_a_handoff_is_kept_once(ledger: Ledger) -> None:
    """Keeping it again changes nothing and doubles no edge."""
    put(ledger, made())
    put(ledger, made())
    assert [row.path for row in ledger.read_now(handoffs.of_trace, "trace-1")] == ["plan"]
    assert ledger.read_now(handoffs.upstream, made().id) == [(made().id, "derived", "task")]


def test_equal_bodies_in_two_places_are_two_handoffs(ledger: Ledger) -> None:
    """The same words of another run, or at another place of the run, have their own node and their own origin."""
    put(ledger, made())
    put(ledger, made("write/item-1"))
    put(ledger, made(trace="trace-2", inputs=("other",)))
    assert [row.path for row in ledger.read_now(handoffs.of_trace, "trace-1")] == ["plan", "write/item-1"]
    other = made(trace="trace-2")
    assert ledger.read_now(handoffs.upstream, other.id) == [(other.id, "derived", "other")]


def test_a_handoff_that_is_not_there_is_named(ledger: Ledger) -> None:
    """Asking for an unknown one says so."""
    with pytest.raises(NotFound, match="no handoff 000000000000…"):
        ledger.read_now(handoffs.get, "0" * 64)


def test_the_way_up_is_walked_nearest_first(ledger: Ledger) -> None:
    """Every origin over all steps, level by level, and nothing that came later or stands beside."""
    ledger.tx_now(handoffs.link, "d", "derived", ["b", "c"])
    ledger.tx_now(handoffs.link, "b", "used", ["a"])
    ledger.tx_now(handoffs.link, "c", "used", ["a"])
    ledger.tx_now(handoffs.link, "e", "derived", ["d"])
    assert ledger.read_now(handoffs.upstream, "d") == [
        ("d", "derived", "b"),
        ("d", "derived", "c"),
        ("b", "used", "a"),
        ("c", "used", "a"),
    ]
    assert ledger.read_now(handoffs.upstream, "a") == []


def test_a_circle_is_walked_once(ledger: Ledger) -> None:
    """Nothing should come from itself; where it is written so all the same, the walk ends and shows each edge once."""
    for child, parent in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "c")):
        ledger.tx_now(handoffs.link, child, "derived", [parent])
    walked = ledger.read_now(handoffs.upstream, "a")
    assert walked == [("a", "derived", "b"), ("b", "derived", "c"), ("c", "derived", "a"), ("c", "derived", "c")]


def test_the_walk_stops_at_its_limit(ledger: Ledger) -> None:
    """A very large origin is cut, nearest edges first."""
    ledger.tx_now(handoffs.link, "a", "used", [f"p{number:02}" for number in range(20)])
    assert len(ledger.read_now(handoffs.upstream, "a", 5)) == 5


def test_a_walk_downwards_reads_no_more_than_it_may(ledger: Ledger) -> None:
    """Of something that very much came from it tells as much as was asked for, each thing once, and the nearest first."""
    many = [{"child": f"child-{nth:04}", "relation": "derived", "parent": "source"} for nth in range(1200)]
    many += [{"child": "grandchild", "relation": "derived", "parent": f"child-{nth:04}"} for nth in range(3)]
    ledger.tx_now(lambda connection: connection.execute(insert(edge), many))
    few = ledger.read_now(handoffs.downstream, ["source"], 7)
    assert few == {f"child-{nth:04}": "source" for nth in range(7)}
    every = ledger.read_now(handoffs.downstream, ["source"], 5000)
    assert len(every) == 1201
    assert list(every.items())[-1] == ("grandchild", "child-0000")
    assert len(ledger.read_now(handoffs.downstream, ["source"], 1200)) == 1200
