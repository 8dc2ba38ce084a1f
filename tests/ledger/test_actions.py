"""The outbox: one row for each event in the outside world, one sender at a time, and an outcome that stays."""

import pytest
from sqlalchemy import Connection, update

from contracts.actions import SETTLED, ActionState, Receipt
from contracts.errors import NotFound, Refused
from contracts.intents import Intent
from ledger import actions
from ledger.actions import Lease
from ledger.db import Ledger, now_us
from ledger.tables import action
from tests.ledger.racing import at_once, overlapped
from tests.ledger.samples import intent

KEY = intent().key
MINUTE = 60_000_000


def propose(connection: Connection, wanted: Intent, trace: str = "trace-1", state: ActionState = "approved") -> str:
    """Write an intent; gives back the state of the row that counts."""
    return str(actions.propose(connection, wanted, trace=trace, gate="change-1", state=state).state)


def claim(ledger: Ledger, owner: str = "worker-1") -> Lease | None:
    """Take the lease."""
    return ledger.tx_now(actions.claim, KEY, owner, MINUTE)[1]


def taken(ledger: Ledger, owner: str = "worker-1") -> Lease:
    """Take the lease, which is free."""
    lease = claim(ledger, owner)
    assert lease is not None
    return lease


def receipt(state: ActionState = "delivered", **more: str) -> Receipt:
    """An outcome."""
    return Receipt(key=KEY, type="git.push", state=state, summary="push a", reference="commit-1").model_copy(update=more)


def state(ledger: Ledger) -> str:
    """The action's state."""
    return str(ledger.read_now(actions.get, KEY).state)


def run_out(ledger: Ledger) -> None:
    """Let the lease's time pass."""
    ledger.tx_now(lambda connection: connection.execute(update(action).values(lease_until=now_us() - 1)))


def test_the_same_event_is_one_row(ledger: Ledger) -> None:
    """The same key with the same arguments is one row; as long as nobody has begun, it is the last approval's."""
    ledger.tx_now(propose, intent())
    ledger.tx_now(propose, intent(), "trace-2")
    assert ledger.read_now(actions.of_trace, "trace-1") == []
    assert [row.key for row in ledger.read_now(actions.of_trace, "trace-2")] == [KEY]


def test_an_action_that_began_stays_with_its_run(ledger: Ledger) -> None:
    """Once somebody is sending, a later approval of the same event changes nothing about it."""
    ledger.tx_now(propose, intent())
    ledger.tx_now(actions.claim, KEY, "worker", 60_000_000)
    ledger.tx_now(propose, intent(), "trace-2")
    assert [row.key for row in ledger.read_now(actions.of_trace, "trace-1")] == [KEY]


def test_cancelling_one_run_leaves_the_others_approval(ledger: Ledger) -> None:
    """Two runs mean the same event; the first is cancelled. What the second was allowed still counts."""
    ledger.tx_now(propose, intent())
    ledger.tx_now(propose, intent(), "trace-2")
    ledger.tx_now(actions.withdraw, "trace-1", "cancelled")
    assert state(ledger) == "approved"


def test_the_same_event_with_other_arguments_is_refused(ledger: Ledger) -> None:
    """The refusal names the run that holds the key, its state and the way out; the first row stays as it was."""
    ledger.tx_now(propose, intent())
    with pytest.raises(
        Refused, match=r"run trace-1 asked for .*other arguments \(it is approved\); nothing was done.*a different event"
    ):
        ledger.tx_now(propose, intent(arguments="b"), "trace-2")
    assert ledger.read_now(actions.get, KEY).summary == "push a"


def test_two_runs_that_mean_the_same_event_differently_at_once(ledger: Ledger) -> None:
    """The second is refused although the first had not committed when it looked."""

    def second(connection: Connection) -> str:
        try:
            return propose(connection, intent(arguments="b"), "trace-2")
        except Refused as error:
            return str(error)

    first, refused = overlapped(ledger, lambda connection: propose(connection, intent()), second)
    assert first == "approved"
    assert "run trace-1 asked for the same event with other arguments" in refused


@pytest.mark.parametrize("end", ["rejected", "expired", "failed", "dead", "declined"])
def test_an_event_that_came_to_nothing_may_be_meant_again(ledger: Ledger, end: ActionState) -> None:
    """What an earlier run was refused, or what failed for good, is taken over by the run that means it now."""
    ledger.tx_now(propose, intent(), "trace-1", end)
    assert ledger.tx_now(propose, intent(), "trace-2") == "approved"
    assert [row.state for row in ledger.read_now(actions.of_trace, "trace-2")] == ["approved"]


@pytest.mark.parametrize("end", ["delivered", "done_by_person"])
def test_an_event_that_happened_is_not_meant_again(ledger: Ledger, end: ActionState) -> None:
    """What was done, by us or by a person, stays so."""
    ledger.tx_now(propose, intent(), "trace-1", end)
    assert ledger.tx_now(propose, intent(), "trace-2") == end
    assert claim(ledger) is None


@pytest.mark.parametrize("held", ["proposed", "rejected", "held"])
def test_only_an_approved_action_is_claimed(ledger: Ledger, held: ActionState) -> None:
    """What nobody has approved, or what is held, gives no lease."""
    ledger.tx_now(propose, intent(), "trace-1", held)
    assert claim(ledger) is None
    assert state(ledger) == held


def test_an_action_has_one_sender_at_a_time(ledger: Ledger) -> None:
    """While one worker holds the lease another gets none; of many that ask at once one gets it."""
    ledger.tx_now(propose, intent())
    leases = at_once(lambda owner: claim(ledger, owner), [f"worker-{number}" for number in range(8)])
    assert len([one for one in leases if isinstance(one, Lease)]) == 1
    assert leases.count(None) == 7
    assert claim(ledger, "another") is None


def test_the_claimer_sees_what_was_before(ledger: Ledger) -> None:
    """The row tells whether anybody has tried before: then the target is asked first."""
    ledger.tx_now(propose, intent())
    assert ledger.tx_now(actions.claim, KEY, "one", MINUTE)[0].state == "approved"
    run_out(ledger)
    assert ledger.tx_now(actions.claim, KEY, "two", MINUTE)[0].state == "sending"


def test_a_claim_that_waited_for_another_sees_it(ledger: Ledger) -> None:
    """A worker that looked while another was claiming is not told that nobody has tried."""
    ledger.tx_now(propose, intent())
    first, (before, lease) = overlapped(
        ledger,
        lambda connection: actions.claim(connection, KEY, "one", -MINUTE)[1],
        lambda connection: actions.claim(connection, KEY, "two", MINUTE),
    )
    assert first is not None
    assert lease is not None
    assert before.state == "sending"


def test_a_lease_that_ran_out_is_taken_over(ledger: Ledger) -> None:
    """A worker that vanished does not block the action; the new lease has a higher fence."""
    ledger.tx_now(propose, intent())
    first = taken(ledger)
    run_out(ledger)
    second = taken(ledger, "worker-2")
    assert second.fence == first.fence + 1
    assert ledger.read_now(actions.get, KEY).attempts == 2


def test_a_lease_of_a_wrong_clock_is_taken_over(ledger: Ledger) -> None:
    """Its worker's clock was two days ahead when it was killed: the push does not wait for two days."""
    ledger.tx_now(propose, intent())
    assert claim(ledger, "dead") is not None
    assert claim(ledger, "living") is None
    ahead = now_us() + 2 * 86_400 * 1_000_000
    ledger.tx_now(lambda connection: connection.execute(update(action).values(lease_until=ahead)))
    assert claim(ledger, "living") is not None


def test_an_older_lease_writes_nothing(ledger: Ledger) -> None:
    """A worker that comes back after it was replaced changes nothing, before and after the new one has settled."""
    ledger.tx_now(propose, intent())
    old = taken(ledger)
    run_out(ledger)
    new = taken(ledger, "worker-2")
    assert not ledger.tx_now(actions.settle, old, receipt("failed"))
    assert state(ledger) == "sending"
    assert ledger.tx_now(actions.settle, new, receipt())
    assert not ledger.tx_now(actions.settle, old, receipt("failed"))
    assert Receipt.model_validate_json(ledger.read_now(actions.get, KEY).receipt) == receipt()


@pytest.mark.parametrize("end", sorted(SETTLED))
def test_what_is_settled_stays(ledger: Ledger, end: ActionState) -> None:
    """No lease, no second receipt and no person's finding changes an outcome."""
    ledger.tx_now(propose, intent())
    lease = taken(ledger)
    assert ledger.tx_now(actions.settle, lease, receipt(end))
    assert claim(ledger) is None
    assert not ledger.tx_now(actions.settle, lease, receipt("failed"))
    assert not ledger.tx_now(actions.resolve, KEY, receipt("failed"))
    assert state(ledger) == end


def test_an_unknown_outcome_can_be_tried_again(ledger: Ledger) -> None:
    """Unknown is not settled: the next claim finds it and sees that the outcome was unknown."""
    ledger.tx_now(propose, intent())
    assert ledger.tx_now(actions.settle, taken(ledger), receipt("unknown", problem="no answer"))
    before, lease = ledger.tx_now(actions.claim, KEY, "worker-2", MINUTE)
    assert (before.state, before.reason) == ("unknown", "no answer")
    assert lease is not None


def test_a_person_settles_what_nobody_knows(ledger: Ledger) -> None:
    """Not while somebody is sending; afterwards once, and the outcome stays."""
    ledger.tx_now(propose, intent())
    taken(ledger)
    assert not ledger.tx_now(actions.resolve, KEY, receipt(how="person"))
    run_out(ledger)
    assert ledger.tx_now(actions.resolve, KEY, receipt(how="person"))
    assert not ledger.tx_now(actions.resolve, KEY, receipt("failed"))
    assert state(ledger) == "delivered"


def test_a_sender_that_a_person_overtook_writes_nothing(ledger: Ledger) -> None:
    """After a person settled it, the lease that had run out no longer counts."""
    ledger.tx_now(propose, intent())
    lost = taken(ledger)
    run_out(ledger)
    ledger.tx_now(actions.resolve, KEY, receipt("failed"))
    assert not ledger.tx_now(actions.settle, lost, receipt())
    assert state(ledger) == "failed"


def test_actions_of_a_run_come_in_their_order(ledger: Ledger) -> None:
    """In the order in which they are to be carried out, not the one in which they were written."""
    for order in (2, 0, 1):
        ledger.tx_now(propose, intent(str(order), order=order))
    assert [row.order for row in ledger.read_now(actions.of_trace, "trace-1")] == [0, 1, 2]


def test_an_action_that_is_not_there_is_named(ledger: Ledger) -> None:
    """Asking for an unknown action says so."""
    with pytest.raises(NotFound, match=f"no action {KEY[:12]}…"):
        ledger.tx_now(actions.claim, KEY, "worker-1", MINUTE)
