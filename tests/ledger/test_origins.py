"""Where something came from: ids told apart by their beginnings, and the way from a thing to what it was made from."""

import pytest
from sqlalchemy import Connection

from contracts.base import digest_of
from contracts.errors import Ambiguous, NotFound
from ledger import artifacts, turns
from ledger.db import Ledger
from ledger.views import identities, origins
from tests.ledger import samples
from tests.ledger.contents import PLAN, begin, gate, handoff_of, kept


def test_an_id_is_told_apart_by_its_beginning(ledger: Ledger) -> None:
    """Handoffs, turns and artifacts; what an artifact belongs to is the run that saw it last."""
    begin(ledger)
    ledger.tx_now(handoff_of, "plan")
    ledger.tx_now(turns.insert, samples.turn(1))
    kept_as = ledger.tx_now(artifacts.put, ledger.files, b"the file").digest
    for trace in ("trace-0", "trace-1"):
        ledger.tx_now(artifacts.note_seen, trace, "plan", kept_as, "a.py", untrusted=True)
    for kind, identity in (("handoff", digest_of("handoff", "plan")), ("turn", samples.turn(1).id), ("artifact", kept_as)):
        assert ledger.read_now(identities.ids_like, identity[:12]) == [(kind, identity)]
        assert ledger.read_now(identities.kind_of, identity) == kind
        _, node = ledger.read_now(origins.find_start, identity[:12])
        assert node == origins.Node(kind, identity)
        assert ledger.read_now(origins.find_start, identity)[0].trace == "trace-1"
    assert ledger.read_now(identities.kind_of, "f" * 64) is None
    assert ledger.read_now(identities.turns_at, "trace-1", "plan") == identities.Turns(1, 3_000_000_000)
    assert ledger.read_now(identities.turns_at, "trace-1", "test") == identities.Turns(0, 0)
    assert ledger.read_now(identities.size_of, kept_as) == len(b"the file")


def test_a_gate_comes_from_its_subject_and_that_from_thehandoff_of_with_its_bytes(ledger: Ledger) -> None:
    """A run that waits comes from its gate, that from what it shows, and that from the handoff whose body it is."""
    begin(ledger)
    subject = kept(ledger, PLAN)
    ledger.tx_now(handoff_of, "plan", digest=subject)
    gate(ledger, subject=subject)

    def walk(connection: Connection) -> list[str]:
        found, node = origins.find_start(connection, "delivery-trace-1")
        kinds = [node.kind]
        while parents := found.parents(node):
            node = parents[0]
            kinds.append(node.kind)
        assert found.label(node) == "handoff plan: git_push/1 done by planner, 0 turns, $0.00"
        return kinds

    assert ledger.read_now(walk) == ["run", "gate", "artifact", "handoff"]


def test_what_fits_several_things_is_asked_back(ledger: Ledger) -> None:
    """A gate's name in two runs names both as RUN/GATE; an unknown id is not found."""
    for trace in ("trace-1", "trace-2"):
        begin(ledger, trace)
        gate(ledger, trace=trace, workflow_id=f"delivery-{trace}")
    with pytest.raises(Ambiguous, match="delivery-trace-1/plan-1"):
        ledger.read_now(origins.find_start, "plan-1")
    found, node = ledger.read_now(origins.find_start, "delivery-trace-2/plan")
    assert (found.trace, node) == ("trace-2", origins.Node("gate", "trace-2/plan-1"))
    with pytest.raises(NotFound, match="no run, gate, effect, handoff, turn or artifact"):
        ledger.read_now(origins.find_start, "ffffffff")
