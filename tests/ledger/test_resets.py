"""A run that was reset: its gates open again, what was decided before no longer counts, what it replaced has no say."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from contracts.base import digest_of
from contracts.gates import Claimed, Decided, GateView
from contracts.runs import RunChange
from ledger import actions, gates, resets, runs
from ledger.db import Ledger
from ledger.tables import gate as gate_table
from tests.ledger.samples import NOW, admit, begin, claim, intent, opening, ref, view

GATE = view()
LATER = view(opened_at=NOW + timedelta(days=3), deadline=NOW + timedelta(days=4))
FIRST, SECOND, THIRD = "run-1", "run-2", "run-3"


@pytest.fixture(autouse=True)
def approved(ledger: Ledger) -> None:
    """Every test begins with a gate that the first run opened, and whose approval allowed an action."""
    ledger.tx_now(gates.open_gate, opening(GATE, intent(), run_id=FIRST))
    assert decide(ledger, claim("olga", nonce="n-1")).won
    ledger.tx_now(actions.propose, intent(), trace="trace-1", gate="plan-1", state="approved")


def decide(ledger: Ledger, said: Claimed, gate: GateView = GATE) -> Decided:
    """Say something at a gate."""
    return ledger.tx_now(lambda connection: gates.win(connection, admit(gate, said), said, authenticated=False))


def reopen(ledger: Ledger, run_id: str = SECOND, gate: GateView = LATER) -> Any:
    """Open the gate as a run that has taken over."""
    return ledger.tx_now(gates.open_gate, opening(gate, intent(), run_id=run_id))


def whose(ledger: Ledger, run_id: str, gate: GateView = GATE) -> str:
    """Who asks."""
    return ledger.read_now(resets.whose, gate, run_id)


def outcomes(ledger: Ledger) -> list[tuple[str, str, str]]:
    """What was decided, in order."""
    return [(one["by"], one["verb"], one["outcome"]) for one in ledger.read_now(gates.decisions, "trace-1")]


def states(ledger: Ledger) -> list[str]:
    """The states of the run's actions."""
    return [row.state for row in ledger.read_now(actions.of_trace, "trace-1")]


def test_the_gate_of_another_run_opens_again(ledger: Ledger) -> None:
    """It waits as the new run shows it; the approval stays on record and does not count; nobody begins what it allowed."""
    counted = reopen(ledger)
    assert (counted.by, counted.verb) == ("olga", "approve")
    assert ledger.read_now(gates.open_gates) == [LATER]
    assert outcomes(ledger) == [("olga", "approve", "superseded")]
    assert states(ledger) == ["expired"]


def test_the_same_run_does_not_open_it_again(ledger: Ledger) -> None:
    """A second try of the opening finds the gate decided."""
    assert reopen(ledger, FIRST, GATE) is None
    assert (ledger.read_now(gates.open_gates), states(ledger)) == ([], ["approved"])


def test_what_was_begun_is_not_taken_back(ledger: Ledger) -> None:
    """An action that somebody is carrying out, or has, stays as it is."""
    ledger.tx_now(actions.claim, intent().key, "worker-1", 1)
    reopen(ledger)
    assert states(ledger) == ["sending"]


def test_the_same_decision_counts_once_more(ledger: Ledger) -> None:
    """Applied again, it is the decision of before, with its time; there is one on record."""
    reopen(ledger)
    again = claim("olga", nonce="n-1").model_copy(update={"at": NOW + timedelta(days=5)})
    outcome = decide(ledger, again, LATER)
    assert (outcome.won, outcome.by, outcome.at) == (True, "olga", NOW + timedelta(hours=1))
    assert outcomes(ledger) == [("olga", "approve", "won")]
    assert ledger.read_now(gates.open_gates) == []


@pytest.mark.parametrize(
    ("other", "gate"),
    [
        (claim("olga", "reject", note="no"), LATER),
        (claim("otto"), LATER),
        (claim("olga", note="now with a note"), LATER),
        (claim("olga"), LATER.model_copy(update={"subject": digest_of("other")})),
    ],
    ids=["verb", "person", "note", "subject"],
)
def test_another_decision_is_another(ledger: Ledger, other: Claimed, gate: GateView) -> None:
    """A difference in verb, person, words or subject: both are on record, and the new one counts."""
    reopen(ledger, gate=gate)
    assert decide(ledger, other, gate).won
    assert [one[2] for one in outcomes(ledger)] == ["superseded", "won"]


def test_each_reset_takes_over_from_the_one_before(ledger: Ledger) -> None:
    """Also a reset to a time before the one before. What a replaced run still asks is known as that."""
    reopen(ledger)
    assert (whose(ledger, FIRST), whose(ledger, SECOND), whose(ledger, THIRD)) == ("older", "ours", "newer")
    reopen(ledger, THIRD, GATE)
    assert (whose(ledger, FIRST), whose(ledger, SECOND), whose(ledger, THIRD)) == ("older", "older", "ours")


def test_gates_of_before_gates_knew_their_runs(ledger: Ledger) -> None:
    """Who asks about one as it was opened is taken for the run that opened it; who opens it later is another."""
    ledger.tx_now(lambda connection: connection.execute(update(gate_table).values(run_ids="[]")))
    assert whose(ledger, SECOND) == "ours"
    assert whose(ledger, SECOND, LATER) == "newer"


def test_gates_that_a_replaced_run_left_open_are_closed(ledger: Ledger) -> None:
    """Those at which the new run does not wait. Its own, those it still waits at, and those of children stay."""
    for name, run_id, path in (("a", FIRST, ""), ("b", FIRST, ""), ("c", SECOND, ""), ("d", FIRST, "write/1/x")):
        ledger.tx_now(gates.open_gate, opening(view(name, path=path), run_id=run_id))
    ledger.tx_now(resets.close_abandoned, "trace-1", SECOND, ("b",))
    assert sorted(one.gate for one in ledger.read_now(gates.open_gates)) == ["b", "c", "d"]


def test_a_run_that_had_ended_is_open_again(ledger: Ledger) -> None:
    """Under its new run id it works again, without a result, and may end as something else. Said again nothing changes."""
    ledger.tx_now(runs.begin, *begin())
    ledger.tx_now(runs.change, ref(), RunChange(state="done", stage="end"))
    assert follow(ledger, "trace-1") is None
    assert follow(ledger, SECOND) == "done"
    row = ledger.read_now(runs.find, "trace-1")
    assert (row.state, row.ended_at, row.result, row.run_ids) == ("working", None, "", '["trace-1", "run-2"]')
    assert ledger.tx_now(runs.change, ref(), RunChange(state="could_not")) is None
    assert follow(ledger, SECOND) is None
    assert ledger.read_now(runs.find, "trace-1").state == "could_not"


def follow(ledger: Ledger, run_id: str) -> str | None:
    """An activity of this run commits something."""
    return ledger.tx_now(runs.follow, ref(run_id=run_id))


def test_children_do_not_open_their_run_again(ledger: Ledger) -> None:
    """A child has a workflow and run ids of its own."""
    ledger.tx_now(runs.begin, *begin())
    ledger.tx_now(runs.change, ref(), RunChange(state="done"))
    assert ledger.tx_now(runs.follow, ref(run_id="of-a-child", workflow_id="delivery-trace-1.write.1.x")) is None
    assert ledger.read_now(runs.find, "trace-1").state == "done"


def test_a_transaction_that_fails_is_followed_again(ledger: Ledger) -> None:
    """What was rolled back is not taken for known."""
    ledger.tx_now(runs.begin, *begin())

    def breaks(connection: Connection) -> None:
        runs.follow(connection, ref(run_id=THIRD))
        raise LookupError

    with pytest.raises(LookupError):
        ledger.tx_now(breaks)
    follow(ledger, THIRD)
    assert ledger.read_now(runs.find, "trace-1").run_ids == '["trace-1", "run-3"]'
