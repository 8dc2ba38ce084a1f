"""Gates: one decision wins, every refusal is kept, and what was decided about one subject never counts for another."""

import itertools
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from contracts.base import digest_of
from contracts.errors import NotFound
from contracts.gates import Claimed, Decided, GateView, Refusal, Verb
from ledger import gate_actions, gates
from ledger.db import Ledger
from tests.ledger.racing import at_once, overlapped
from tests.ledger.samples import NOW, admit, claim, intent, opening, view

GATE = view()
VERBS: tuple[Verb, ...] = ("approve", "reject")
PEOPLE = [f"person-{number}" for number in range(12)]


def decide(ledger: Ledger, by: str, verb: Verb = "approve", gate: GateView = GATE, **more: str) -> Decided:
    """Say something at a gate."""
    return ledger.tx_now(win, gate, claim(by, verb, gate=gate.gate, **more))


def win(connection: Connection, gate: GateView, said: Claimed) -> Decided:
    """The same within a transaction."""
    return gates.win(connection, admit(gate, said), said, authenticated=False)


def state(ledger: Ledger, name: str = "plan-1") -> str:
    """A gate's state."""
    return ledger.read_now(gates.find, "trace-1", name)[1]


@pytest.fixture(autouse=True)
def opened(ledger: Ledger) -> None:
    """Every test begins with one open gate."""
    ledger.tx_now(gates.open_gate, opening(GATE, intent()))


def test_an_open_gate_is_listed_with_what_it_would_do(ledger: Ledger) -> None:
    """Until it is decided a gate is among the open ones, as it was opened, with the actions that ride on it."""
    assert ledger.read_now(gates.open_gates) == [GATE]
    assert ledger.read_now(gates.open_gates, project="other") == []
    assert ledger.read_now(gates.open_gates, trace="other") == []
    assert ledger.read_now(gate_actions.intents, "trace-1", "plan-1") == [intent()]
    assert ledger.read_now(gate_actions.intents, "trace-1", "plan-9") == []


def test_open_gates_come_by_deadline(ledger: Ledger) -> None:
    """What has to be decided first stands first."""
    ledger.tx_now(gates.open_gate, opening(view("plan-2", revision=2, deadline=NOW)))
    assert [one.gate for one in ledger.read_now(gates.open_gates)] == ["plan-2", "plan-1"]


def test_opening_again_changes_nothing(ledger: Ledger) -> None:
    """A second try of the opening, also after the decision, leaves the gate as it is."""
    ledger.tx_now(gates.open_gate, opening(view(title="another")))
    assert ledger.read_now(gates.find, "trace-1", "plan-1") == (GATE, "open")
    decide(ledger, "olga")
    ledger.tx_now(gates.open_gate, opening(GATE))
    assert state(ledger) == "approve"


def test_one_of_many_simultaneous_decisions_wins(ledger: Ledger) -> None:
    """A dozen people decide at once: one decision counts, and everybody is told that same one."""
    said = [claim(who, verb) for who, verb in zip(PEOPLE, itertools.cycle(VERBS), strict=False)]
    outcomes = at_once(lambda one: ledger.tx_now(win, GATE, one), said)
    assert all(isinstance(one, Decided) and one.won for one in outcomes), outcomes
    assert len({(one.by, one.verb) for one in outcomes if isinstance(one, Decided)}) == 1
    assert [one["outcome"] for one in ledger.read_now(gates.decisions, "trace-1")] == ["won"]
    assert ledger.read_now(gates.open_gates) == []


def test_a_second_decision_gets_the_first_ones_words(ledger: Ledger) -> None:
    """Asked again, the ledger repeats who decided what, why, and when."""
    first = decide(ledger, "olga", "reject", note="too big")
    again = decide(ledger, "otto", "approve", note="fine")
    assert (again.by, again.verb, again.note, again.at) == ("olga", "reject", "too big", first.at)
    assert first == again


def test_a_nonce_counts_once_anywhere(ledger: Ledger) -> None:
    """One signed decision replayed at another gate is refused there; sent again to its own gate it is the same decision."""
    other = view("plan-2", revision=2)
    ledger.tx_now(gates.open_gate, opening(other))
    assert decide(ledger, "olga", nonce="n-1").won
    assert decide(ledger, "olga", nonce="n-1").won
    outcome = decide(ledger, "olga", gate=other, nonce="n-1")
    assert (outcome.won, outcome.reason) == (False, "this decision's nonce has been used before")
    assert state(ledger, "plan-2") == "open"


def test_refusals_are_kept_once(ledger: Ledger) -> None:
    """What was sent and not accepted stays on record with its reason, once per key, beside the decision."""
    refusal = Refusal(
        key="r-1", at=NOW, verb="approve", gate="plan-1", by="agent:writer", reason="agents never decide", via="signal"
    )
    ledger.tx_now(gates.refuse, "trace-1", refusal)
    ledger.tx_now(gates.refuse, "trace-1", refusal.model_copy(update={"reason": "another"}))
    decide(ledger, "olga")
    kept = ledger.read_now(gates.decisions, "trace-1")
    assert [(one["outcome"], one["by"], one["reason"]) for one in kept] == [
        ("refused", "agent:writer", "agents never decide"),
        ("won", "olga", ""),
    ]


def test_expiry_closes_a_gate_without_a_person(ledger: Ledger) -> None:
    """At the deadline the gate is closed and nobody is named."""
    outcome = ledger.tx_now(gates.expire, GATE, "expired", NOW)
    assert (outcome.won, outcome.verb, outcome.by) == (True, "expired", "")
    assert state(ledger) == "expired"


def test_expiry_gives_back_an_earlier_decision(ledger: Ledger) -> None:
    """A decision that was recorded before the deadline stands, whatever the clock says."""
    decide(ledger, "olga", note="go")
    outcome = ledger.tx_now(gates.expire, GATE, "expired", NOW + timedelta(days=2))
    assert (outcome.verb, outcome.by, outcome.note) == ("approve", "olga", "go")
    assert state(ledger) == "approve"


@pytest.mark.parametrize("how", ["expired", "cancelled"])
def test_a_closed_gate_takes_no_decision(ledger: Ledger, how: str) -> None:
    """A decision that arrives after expiry or cancellation does not count: recorded silence is not turned into approval."""
    ledger.tx_now(gates.expire, GATE, "expired" if how == "expired" else "cancelled", NOW)
    outcome = decide(ledger, "olga")
    assert (outcome.won, outcome.reason) == (False, f"gate plan-1 is {how} and takes no decision")
    assert ledger.read_now(gates.winner, "trace-1", "plan-1") is None
    assert state(ledger) == how


def test_expiry_and_decision_at_once_agree(ledger: Ledger) -> None:
    """Whichever of deadline and decision comes first, both sides are told the same outcome."""
    ended, said = overlapped(
        ledger, lambda one: gates.expire(one, GATE, "expired", NOW), lambda other: win(other, GATE, claim("olga"))
    )
    assert (ended.verb, said.won) == ("expired", False)
    second = view("plan-2", revision=2)
    ledger.tx_now(gates.open_gate, opening(second))
    won, closed = overlapped(
        ledger,
        lambda one: win(one, second, claim("olga", gate="plan-2")),
        lambda other: gates.expire(other, second, "expired", NOW),
    )
    assert (won.won, closed.verb, closed.by) == (True, "approve", "olga")


def test_a_decision_never_counts_for_another_subject(ledger: Ledger) -> None:
    """Whatever shows something else under a gate's name: the old approval is not given back, also not at the deadline."""
    decide(ledger, "olga")
    changed = view(subject=digest_of("other"))
    outcome = decide(ledger, "otto", gate=changed)
    assert (outcome.won, outcome.by) == (False, "otto")
    assert outcome.reason == "gate plan-1 was decided before, by olga, about another subject; that decision does not carry over"
    assert ledger.tx_now(gates.expire, changed, "expired", NOW).verb == "expired"
    kept = ledger.read_now(gates.winner, "trace-1", "plan-1")
    assert kept is not None
    assert kept.by == "olga"


def test_a_gate_is_found_by_id_and_by_kind(ledger: Ledger) -> None:
    """A bare kind means the open one, else the newest; a wrong name is answered with the gates there are."""
    ledger.tx_now(gates.close, "trace-1", "plan-1", "request_changes")
    later = view("plan-2", revision=2, opened_at=NOW + timedelta(hours=1))
    ledger.tx_now(gates.open_gate, opening(later))
    assert ledger.read_now(gates.find, "trace-1", "plan") == (later, "open")
    ledger.tx_now(gates.close, "trace-1", "plan-2", "approve")
    assert ledger.read_now(gates.find, "trace-1", "plan") == (later, "approve")
    with pytest.raises(NotFound, match="no gate 'change'; it has plan-1 \\(request_changes\\), plan-2 \\(approve\\)\\. If"):
        ledger.read_now(gates.find, "trace-1", "change")


def test_what_people_type_is_kept_whatever_it_contains(ledger: Ledger) -> None:
    """A NUL character, quotes, other scripts: a decision with them is recorded, on every database, and cannot wedge a run."""
    odd = "a\x00b 'quoted' \"höher\" \u202e 漢字 \U0001f600"
    assert decide(ledger, "'quoted' höher 漢字 \U0001f600", note=odd).won
    kept = ledger.read_now(gates.winner, "trace-1", "plan-1")
    assert kept is not None
    assert kept.note == odd.replace("\x00", "\\u0000")
