"""Runs: one row each, one run for each request, and no move that is not allowed."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection

from contracts.errors import NotFound
from contracts.runs import FINAL, MOVES, RunChange, RunState
from ledger import runs, turns
from ledger.db import Ledger
from tests.ledger.racing import at_once
from tests.ledger.samples import begin, ref, turn

STATES: tuple[RunState, ...] = tuple(MOVES)


def row(ledger: Ledger, trace: str = "trace-1") -> dict[str, Any]:
    """A run's row."""
    return dict(ledger.read_now(runs.find, trace)._mapping)


def start(ledger: Ledger, trace: str = "trace-1", **changes: Any) -> str | None:
    """Begin a run; the workflow id of the run that has its request already, or None."""
    return ledger.tx_now(runs.begin, *begin(trace, **changes))


def test_beginning_twice_is_one_run(ledger: Ledger) -> None:
    """The activity that begins a run may be tried again: the row stays as the first try wrote it."""
    assert start(ledger) is None
    ledger.tx_now(runs.change, ref(), RunChange(state="working", stage="plan"))
    assert start(ledger) is None
    assert (row(ledger)["state"], row(ledger)["stage"]) == ("working", "plan")
    assert json.loads(row(ledger)["input"]) == {"instruction": "say höher"}


def test_a_request_key_belongs_to_the_first_run(ledger: Ledger) -> None:
    """A second run with the same key in the same project is told the first one's workflow id and gets no row."""
    assert start(ledger, request_key="ticket-7") is None
    assert start(ledger, "trace-2", request_key="ticket-7") == "delivery-trace-1"
    with pytest.raises(NotFound):
        ledger.read_now(runs.find, "trace-2")
    found = ledger.read_now(runs.by_request, "default", "ticket-7")
    assert found is not None
    assert found.trace == "trace-1"


def test_a_request_key_is_the_projects_own(ledger: Ledger) -> None:
    """The same key in another project is another request, and runs without a key are never the same request."""
    assert start(ledger, "one", request_key="ticket-7") is None
    assert start(ledger, "two", request_key="ticket-7", project="other") is None
    assert start(ledger, "three") is None
    assert start(ledger, "four") is None


def test_open_runs_are_those_that_have_not_ended(ledger: Ledger) -> None:
    """What is kept for open runs is kept from the first moment to the final state, also while a run waits."""
    start(ledger, "waits")
    start(ledger, "ends")
    assert set(ledger.read_now(runs.open_traces)) == {"waits", "ends"}
    ledger.tx_now(runs.change, ref("waits"), RunChange(state="working"))
    ledger.tx_now(runs.change, ref("waits"), RunChange(state="waiting"))
    ledger.tx_now(runs.change, ref("ends"), RunChange(state="cancelled"))
    assert ledger.read_now(runs.open_traces) == ["waits"]


def test_twenty_runs_race_for_one_request_key(ledger: Ledger) -> None:
    """Of twenty runs begun at once with the same key one is admitted, and all others name it."""
    outcomes = at_once(lambda trace: start(ledger, trace, request_key="k"), [f"t{number}" for number in range(20)])
    assert outcomes.count(None) == 1
    winner = f"delivery-t{outcomes.index(None)}"
    assert set(outcomes) == {None, winner}


@pytest.mark.parametrize("before", STATES)
def test_only_allowed_moves_happen(ledger: Ledger, before: RunState) -> None:
    """From each state exactly the moves of the closed list happen; any other changes nothing and is named."""
    for after in STATES:
        trace = f"{before}-{after}"
        start(ledger, trace)
        ledger.tx_now(runs.change, ref(trace), RunChange(state=before))
        was = row(ledger, trace)
        refused = ledger.tx_now(runs.change, ref(trace), RunChange(state=after, stage="late"))
        if after in MOVES[before] or (after == before and before not in FINAL):
            assert refused is None
            assert row(ledger, trace)["state"] == after
        elif after == before:
            assert refused is None
            assert row(ledger, trace) == was
        else:
            assert refused == f"the run is {before} and cannot become {after}"
            assert row(ledger, trace) == was


def test_a_finished_run_stands_still(ledger: Ledger) -> None:
    """Nothing that arrives late changes a finished run: no wait, no stage, no second end, also when it names the same state."""
    start(ledger)
    ledger.tx_now(runs.change, ref(), RunChange(state="waiting", stage="plan", waiting_for="plan-1"))
    assert ledger.tx_now(runs.change, ref(), RunChange(state="done", next="nothing")) is None
    was = row(ledger)
    assert (was["waiting_for"], was["ended_at"]) == ("", was["updated_at"])
    assert ledger.tx_now(runs.change, ref(), RunChange(waiting_for="plan-2")) == "the run is done and can no longer change"
    assert ledger.tx_now(runs.change, ref(), RunChange(state="done", stage="late")) is None
    assert row(ledger) == was


def test_a_forbidden_move_undoes_nothing_else(ledger: Ledger) -> None:
    """What was written in the same transaction stays when a move is refused."""
    start(ledger)
    ledger.tx_now(runs.change, ref(), RunChange(state="failed"))

    def both(connection: Connection) -> str | None:
        turns.insert(connection, turn(0))
        return runs.change(connection, ref(), RunChange(state="working"))

    assert ledger.tx_now(both) == "the run is failed and cannot become working"
    assert ledger.read_now(turns.find, turn(0).id) is not None


def test_a_change_leaves_what_it_does_not_name(ledger: Ledger) -> None:
    """None leaves a field as it is; an empty text clears it."""
    start(ledger)
    ledger.tx_now(runs.change, ref(), RunChange(state="waiting", stage="plan", waiting_for="plan-1", next="approve"))
    ledger.tx_now(runs.change, ref(), RunChange(waiting_for=""))
    assert {name: row(ledger)[name] for name in ("state", "stage", "waiting_for", "next")} == {
        "state": "waiting",
        "stage": "plan",
        "waiting_for": "",
        "next": "approve",
    }


def test_a_move_of_a_run_without_a_row_is_explained(ledger: Ledger) -> None:
    """A run that was never begun cannot move, and the answer says that it is unknown."""
    assert (
        ledger.tx_now(runs.change, ref("nobody"), RunChange(state="working")) == "the run is unknown and cannot become working"
    )


def test_final_states_are_the_ones_without_moves() -> None:
    """A state is final exactly when nothing may follow it, and every state can be left for each final one otherwise."""
    assert {state for state, after in MOVES.items() if not after} == FINAL
    for state in set(MOVES) - FINAL:
        assert MOVES[state] >= FINAL
        assert "admitted" not in MOVES[state]


def test_a_run_is_found_by_workflow_id_and_by_trace(ledger: Ledger) -> None:
    """Where a workflow id was used again the newest run is meant; an unknown name is refused with where to look."""
    asked, began = begin("old")
    ledger.tx_now(runs.begin, asked, began)
    again = asked.model_copy(update={"run": ref("new", workflow_id="delivery-old")})
    ledger.tx_now(runs.begin, again, began)
    assert ledger.read_now(runs.find, "delivery-old").trace == "new"
    assert ledger.read_now(runs.find, "old").trace == "old"
    with pytest.raises(NotFound, match=r"no run 'nobody'.*baton runs"):
        ledger.read_now(runs.find, "nobody")


def test_totals_add_up_over_a_family(ledger: Ledger) -> None:
    """Calls, tokens and money of all turns of a trace, past 32 bits; a run without any has zeros."""
    ledger.tx_now(turns.insert, turn(0))
    ledger.tx_now(turns.insert, turn(1))
    ledger.tx_now(turns.insert, turn(0, trace="other"))
    assert ledger.read_now(runs.totals, "trace-1") == {"calls": 2, "tokens": 240, "usd_micros": 6_000_000_000}
    assert ledger.read_now(runs.totals, "nobody") == {"calls": 0, "tokens": 0, "usd_micros": 0}


def test_numbers_are_given_out_once(ledger: Ledger) -> None:
    """A counter starts at 1, and simultaneous callers get different numbers without a gap."""
    numbers = at_once(lambda name: ledger.tx_now(runs.next_number, name), ["delivery"] * 8)
    assert sorted(numbers, key=str) == list(range(1, 9))
    assert ledger.tx_now(runs.next_number, "other") == 1


def test_an_older_change_that_comes_late_is_left_out(ledger: Ledger) -> None:
    """A long activity began before a gate opened, and commits after it. The row stays at the gate, and nobody is told."""
    start(ledger)
    late = RunChange(state="working", stage="plan", nth=1)
    assert ledger.tx_now(runs.change, ref(), RunChange(state="waiting", waiting_for="plan-1", nth=2)) is None
    assert ledger.tx_now(runs.change, ref(), late) is None
    assert (row(ledger)["state"], row(ledger)["waiting_for"]) == ("waiting", "plan-1")
    assert ledger.tx_now(runs.change, ref(), RunChange(state="done", nth=3)) is None
    assert ledger.tx_now(runs.change, ref(), late) is None
    assert row(ledger)["state"] == "done"


def test_the_same_change_again_is_one_change(ledger: Ledger) -> None:
    """The activity that carries it was repeated, with nothing newer in between."""
    start(ledger)
    moved = RunChange(state="waiting", waiting_for="plan-1", nth=4)
    for _ in range(2):
        assert ledger.tx_now(runs.change, ref(), moved) is None
    assert (row(ledger)["state"], row(ledger)["change_number"]) == ("waiting", 4)


def test_a_reset_run_counts_from_where_it_went_back_to(ledger: Ledger) -> None:
    """Its changes are newer than all of the run that it replaces, whose activities may still commit: those are left out."""
    start(ledger)
    first, second = (ref(run_id=one) for one in ("first", "second"))
    ledger.tx_now(runs.follow, first)
    ledger.tx_now(runs.change, first, RunChange(state="waiting", waiting_for="change-1", nth=9))
    ledger.tx_now(runs.follow, second)
    assert ledger.tx_now(runs.change, second, RunChange(state="waiting", waiting_for="plan-1", nth=3)) is None
    assert ledger.tx_now(runs.change, first, RunChange(state="working", nth=10)) is None
    assert (row(ledger)["waiting_for"], row(ledger)["change_number"]) == ("plan-1", 3)
