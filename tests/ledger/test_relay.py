"""What is left to the relay: in which order it is due, what a failed attempt comes to, and what a run leaves behind."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from contracts.actions import ActionState, Receipt, Relayed
from contracts.relay import Relaying
from contracts.runs import RunChange
from ledger import actions, gone, relay, runs, upkeep
from ledger.db import Ledger, now_us
from ledger.tables import action, counter
from tests.ledger.racing import overlapped
from tests.ledger.samples import begin, intent, ref

LIMITS = Relaying(attempts=3, first=timedelta(seconds=10), longest=timedelta(seconds=15))
MINUTE = 60_000_000


def meant(ledger: Ledger, event: str, target: str = "bank", how: Relayed = "handed", trace: str = "trace-1") -> str:
    """An approved action, handed over unless `how` is empty; its key."""
    wanted = intent(event, target=target)
    ledger.tx_now(actions.propose, wanted, trace=trace, gate="action-1", state="approved")
    if how:
        assert ledger.tx_now(relay.hand_over, wanted.key, how)
    return wanted.key


def due(ledger: Ledger) -> list[str]:
    """Keys of what is to be tried now, in order."""
    return [row.key for row in ledger.read_now(relay.due)]


def row(ledger: Ledger, key: str) -> Any:
    """The action."""
    return ledger.read_now(actions.get, key)


def deliver(ledger: Ledger, key: str, state: ActionState = "delivered") -> None:
    """Carry it out."""
    _, lease = ledger.tx_now(actions.claim, key, "worker-1", MINUTE)
    assert lease is not None
    ledger.tx_now(actions.settle, lease, Receipt(key=key, type="git.push", state=state, summary="push a"))


def run_out(ledger: Ledger) -> None:
    """Let all leases and waits end."""
    ledger.tx_now(lambda connection: connection.execute(update(action).values(lease_until=now_us() - 1, due_at=0)))


def test_what_a_run_carries_out_itself_is_not_due(ledger: Ledger) -> None:
    """Only what was handed over is the relay's, and that once."""
    own, left = meant(ledger, "own", how=""), meant(ledger, "left")
    assert due(ledger) == [left]
    assert not ledger.tx_now(relay.hand_over, left, "handed")
    assert ledger.tx_now(relay.hand_over, own, "waited")
    assert due(ledger) == [left]


def test_a_target_gets_its_actions_in_order(ledger: Ledger) -> None:
    """The next is due when the one before is settled; another target, and one without a target, need not wait for it."""
    first, second, third = (meant(ledger, f"event-{at}") for at in range(3))
    other, alone = meant(ledger, "other", "shop"), meant(ledger, "alone", "")
    assert due(ledger) == [first, other, alone]
    deliver(ledger, first)
    assert due(ledger) == [second, other, alone]
    deliver(ledger, second, "failed")
    assert due(ledger)[0] == third


def test_what_was_handed_over_later_comes_later(ledger: Ledger) -> None:
    """The order is that of handing over, whenever it was approved."""
    early, late = meant(ledger, "early", how=""), meant(ledger, "late")
    ledger.tx_now(relay.hand_over, early, "handed")
    assert due(ledger) == [late]


def test_nothing_overtakes_what_is_being_sent_or_waits(ledger: Ledger) -> None:
    """While one is sent, after its sender died, and while it waits for its next attempt, the one behind it stays behind."""
    first, _ = meant(ledger, "first"), meant(ledger, "second")
    ledger.tx_now(actions.claim, first, "worker-1", MINUTE)
    assert due(ledger) == []
    run_out(ledger)
    assert due(ledger) == [first]
    ledger.tx_now(relay.failed, first, "no answer", LIMITS)
    assert due(ledger) == []


def test_what_waits_for_a_person_does_not_hold_up_its_target(ledger: Ledger) -> None:
    """An unknown outcome and a dead letter let the next one go."""
    first, second, third = (meant(ledger, f"event-{at}") for at in range(3))
    ledger.tx_now(relay.unclear, first, "nobody knows")
    assert due(ledger) == [second]
    ledger.tx_now(relay.failed, second, "away", Relaying(attempts=1))
    assert (row(ledger, first).state, row(ledger, second).state, due(ledger)) == ("unknown", "dead", [third])


def test_attempts_are_further_and_further_apart_and_end(ledger: Ledger) -> None:
    """Each failure doubles the wait up to the longest; after the last one it is dead, with the reason of the last attempt."""
    key, waits = meant(ledger, "event"), []
    for problem in ("one", "two", "three"):
        before = now_us()
        attempt = ledger.tx_now(relay.failed, key, problem, LIMITS)
        assert attempt is not None
        waits.append((attempt.state, round((row(ledger, key).due_at - before) / 1_000_000)))
        run_out(ledger)
    assert [state for state, _ in waits] == ["approved", "approved", "dead"]
    assert [wait for _, wait in waits[:2]] == [10, 15]
    assert (row(ledger, key).problem, row(ledger, key).tries) == ("three", 3)
    assert ledger.tx_now(relay.failed, key, "four", LIMITS) is None


def test_what_may_have_happened_is_never_dead(ledger: Ledger) -> None:
    """After an attempt that began and did not end, giving up means that a person has to find out."""
    key = meant(ledger, "event")
    ledger.tx_now(actions.claim, key, "worker-1", MINUTE)
    assert ledger.tx_now(relay.failed, key, "late", Relaying(attempts=1)) is None  # somebody is sending it
    run_out(ledger)
    attempt = ledger.tx_now(relay.failed, key, "no answer", Relaying(attempts=1))
    assert attempt is not None
    assert (attempt.state, row(ledger, key).state) == ("unknown", "unknown")


def test_a_wait_for_a_breaker_is_no_attempt(ledger: Ledger) -> None:
    """It is put off, and has as many attempts left as before."""
    key = meant(ledger, "event")
    ledger.tx_now(relay.postpone, key, MINUTE, "the breaker is open")
    assert (due(ledger), row(ledger, key).tries, row(ledger, key).problem) == ([], 0, "the breaker is open")


def test_a_run_that_takes_it_over_has_it_itself(ledger: Ledger) -> None:
    """Approved in another run before anybody began, it is that run's own, and nothing of the earlier attempts counts."""
    key = meant(ledger, "event")
    ledger.tx_now(relay.failed, key, "away", LIMITS)
    ledger.tx_now(actions.propose, intent("event"), trace="trace-2", gate="", state="approved")
    found = row(ledger, key)
    assert (found.trace, found.relay, found.tries, found.due_at, found.problem) == ("trace-2", "", 0, 0, "")


def admitted(connection: Connection, trace: str = "trace-1") -> None:
    """The run's row."""
    asked, began = begin(trace)
    runs.begin(connection, asked, began)


def ended(connection: Connection, trace: str = "trace-1") -> None:
    """Its end."""
    runs.change(connection, ref(trace), RunChange(state="failed"))


def test_a_run_that_goes_on_leaves_nothing_behind(ledger: Ledger) -> None:
    """What was approved is its own until it is over; then it is swept, once, whoever is first."""
    ledger.tx_now(admitted)
    key = meant(ledger, "event", how="")
    assert ledger.read_now(relay.left_behind) == []
    assert ledger.tx_now(relay.sweep, key) is None
    ledger.tx_now(ended)
    assert ledger.read_now(relay.left_behind) == [key]
    first, second = overlapped(ledger, lambda one: relay.sweep(one, key), lambda one: relay.sweep(one, key))
    assert [first is None, second is None] == [False, True]
    assert (row(ledger, key).relay, due(ledger)) == ("swept", [key])


def test_what_its_run_is_still_sending_is_not_swept(ledger: Ledger) -> None:
    """The activity of a run that was terminated goes on until its lease runs out."""
    ledger.tx_now(admitted)
    key = meant(ledger, "event", how="")
    ledger.tx_now(actions.claim, key, "worker-1", MINUTE)
    ledger.tx_now(ended)
    assert ledger.read_now(relay.left_behind) == []
    run_out(ledger)
    assert ledger.read_now(relay.left_behind) == [key]


def test_what_was_approved_before_there_was_a_relay_is_not_swept(ledger: Ledger) -> None:
    """An upgrade sends nothing that nobody has sent for months."""
    ledger.tx_now(admitted)
    meant(ledger, "event", how="")
    ledger.tx_now(ended)
    ledger.tx_now(lambda one: one.execute(counter.insert().values(name="swept_since", value=now_us() + MINUTE)))
    assert ledger.read_now(relay.left_behind) == []


def test_upkeep_and_relay_are_led_each_by_one(ledger: Ledger) -> None:
    """Each has a lease of its own: who leads the one need not lead the other, and giving one up leaves the other."""
    long = timedelta(minutes=1)
    assert ledger.tx_now(upkeep.lead, "worker-1", long)
    assert ledger.tx_now(upkeep.lead, "worker-2", long, relay.PART)
    assert not ledger.tx_now(upkeep.lead, "worker-1", long, relay.PART)
    ledger.tx_now(upkeep.give_up, "worker-2", relay.PART)
    assert ledger.tx_now(upkeep.lead, "worker-1", long, relay.PART)
    assert not ledger.tx_now(upkeep.lead, "worker-2", long)


@pytest.mark.parametrize("state", ["rejected", "expired", "delivered", "done_by_person", "declined", "failed"])
def test_what_is_settled_is_not_handed_over(ledger: Ledger, state: ActionState) -> None:
    """There is nothing left to do."""
    key = intent("event").key
    ledger.tx_now(actions.propose, intent("event"), trace="trace-1", gate="", state=state)
    assert not ledger.tx_now(relay.hand_over, key, "handed")


@pytest.mark.parametrize(("withdraws", "left"), [(False, "approved"), (True, "expired")])
def test_how_a_run_ended_says_whether_its_approvals_count(ledger: Ledger, withdraws: bool, left: ActionState) -> None:
    """Terminated, it leaves them to the relay; cancelled, it takes them back, and says so on the row."""
    ledger.tx_now(admitted)
    key = meant(ledger, "event", how="")
    one = ledger.read_now(gone.open_runs)[0]
    end = gone.Ending("cancelled", "ended in Temporal", withdraws=withdraws)
    assert ledger.tx_now(gone.close, one, end)
    assert (row(ledger, key).state, ledger.read_now(relay.left_behind)) == (left, [] if withdraws else [key])
