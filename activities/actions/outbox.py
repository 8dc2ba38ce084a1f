"""What the ledger is told of an action, and what it says: receipts, and the transactions around them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row
from temporalio.exceptions import ApplicationError

from activities.actions import lines
from activities.running.commit import commit_riders
from activities.running.failpoints import reach
from contracts.actions import SETTLED, ActionState, Deliver, How, Receipt, Relayed, Resolve
from contracts.intents import Intent
from contracts.relay import Relaying
from contracts.text import amount
from ledger import actions, condemnations, feed, gate_actions, relay, runs
from ledger.actions import Lease
from ledger.condemnations import Condemnation
from ledger.db import instant, now_us
from ledger.views.runs import names_of

LEASE = timedelta(seconds=15)
"""How long an attempt has the action to itself without renewing. It renews while it works, so this is how long others wait
for one that was killed."""

BEGUN = frozenset({"sending", "unknown"})
"""States of an action that was begun and not settled: it may have happened."""


Doubt = Callable[[Connection, Row[Any], str], str]
"""Why an action, whose arguments are executed with this digest, is not what was approved; "" if it is. It only reads."""


def not_doubted(connection: Connection, row: Row[Any], executed: str) -> str:
    """The row is taken as it is: for those who check no signatures."""
    del connection, row, executed
    return ""


def already(row: Row[Any]) -> Receipt:
    """The stored receipt of a settled action. Raises `ApplicationError`: to come back later, or that it is not approved."""
    if row.state in SETTLED and row.receipt:
        return Receipt.model_validate_json(row.receipt)
    if row.state in BEGUN:
        # Retry just after the lease expires: before that it could only be found held.
        wait = timedelta(microseconds=max(row.lease_until - now_us(), 0)) + timedelta(seconds=1)
        raise ApplicationError(
            f"{row.summary}: another worker is carrying it out", type="Leased", next_retry_delay=min(wait, LEASE)
        )
    raise ApplicationError(
        f"{row.summary}: it is {row.state}, and only approved actions are carried out", type="NotApproved", non_retryable=True
    )


def unknown(row: Row[Any], why: str, *, for_good: bool = False) -> ApplicationError:
    """The error of an action that may have happened. `for_good`: asking again cannot help, and a person decides now."""
    return ApplicationError(
        f"{row.summary}: an earlier attempt may have done it, and {why}", type="OutcomeUnknown", non_retryable=for_good
    )


def worn_out(row: Row[Any]) -> str:
    """Why an action is not tried any more whose attempts are never heard of again."""
    return (
        f"the last {amount(row.begun, 'attempt')} ended without a word: the worker died, each time in the middle of it "
        f"(the last one was {row.lease_owner}; its log, or the machine's, says of what). It is not tried again by itself"
    )


def not_recorded(request: Deliver) -> ApplicationError:
    """The error of an action that this ledger does not have. Trying again does not bring it back."""
    return ApplicationError(
        f"this ledger has no action {request.key[:12]}…: it was restored from an older backup, where nobody has approved it. "
        "Nothing was sent now; whether it was before, only its target can tell. Restore the newest backup and reset the run "
        "to this step, or reset it to before its approval (`temporal workflow reset`)",
        type="NotAllowed",
        non_retryable=True,
    )


def receipt_for(row: Row[Any], state: ActionState, how: How = "", reference: str = "", problem: str = "") -> Receipt:
    """A receipt of this row. It is not dated: `dated` does that in the transaction that stores or tells it."""
    return Receipt(
        key=row.key,
        type=row.type,
        state=state,
        summary=row.summary,
        reference=reference,
        how=how,
        problem=problem,
    )


def dated(connection: Connection, receipt: Receipt) -> Receipt:
    """The receipt as of now, by the database's clock: that of the worker may be off."""
    return receipt.model_copy(update={"at": instant(connection)})


def tell_before(connection: Connection, request: Deliver, row: Row[Any], receipt: Receipt) -> Receipt:
    """Tell this run what became of an action of another one. The row stays that run's."""
    receipt = dated(connection, receipt)
    if receipt.state == "delivered":
        names = names_of(connection, [row.trace])
        receipt = receipt.model_copy(update={"done_by": names.get(row.trace, row.trace)})
    commit_riders(connection, request, [lines.done_before(receipt, request.run.trace)])
    return receipt


def anew(connection: Connection, request: Deliver, row: Row[Any], *, asked: bool = True) -> None:
    """Let this run do again what the target has lost. Only with its own approval, or where its policy asks nobody.

    With `asked` False nobody has asked the target yet: whoever carries it out does that before anything is sent.
    """
    trace = request.run.trace
    approved = gate_actions.approved(connection, trace, row.key)
    if approved is None:
        pins = runs.find_pins(connection, trace)
        # It was judged just now, before the intent was written: it is `auto` with these facts, or `perform` had refused it.
        if pins is None or (pins.actions or {}).get(row.type) != "auto":
            raise ApplicationError(
                f"{row.summary}: another run has done it, the target has it no longer, and this run has no approval for it",
                type="NotApproved",
                non_retryable=True,
            )
        fields = ("key", "type", "arguments", "arguments_digest", "summary", "order", "target")
        approved = "", Intent(**{name: getattr(row, name) for name in fields})
    gate, intent = approved
    if actions.again(connection, row, intent, trace=trace, gate=gate, state="approved" if asked else "sending"):
        line = lines.lost_by_target if asked else lines.to_be_asked
        commit_riders(connection, request, [line(row.key, row.summary, row.fence, trace)])


def settle_action(connection: Connection, request: Deliver, lease: Lease, receipt: Receipt) -> Receipt:
    """Store an outcome and tell it. The outcome of a newer lease goes before this one."""
    receipt = dated(connection, receipt)
    if not actions.settle(connection, lease, receipt):
        # A newer lease took over meanwhile: what its holder wrote counts.
        found = already(actions.get(connection, lease.key))
        commit_riders(connection, request)
        return found
    row = actions.get(connection, lease.key)
    if row.relay:
        relay.tell_report(connection, row.trace)
    commit_riders(connection, request, [lines.settled(receipt, lease.fence, row.gate)])
    reach("action.in_receipt")
    return receipt


def doubted(connection: Connection, request: Deliver, row: Row[Any], lease: Lease, doubt: str) -> Receipt:
    """Settle as rejected what nobody has approved as it is. Raises that it is unknown where an earlier attempt had begun."""
    if row.state in BEGUN:
        raise unknown(row, f"it is not sent again: {doubt}", for_good=True)
    return settle_action(connection, request, lease, receipt_for(row, "rejected", problem=f"nothing was sent: {doubt}"))


def resolve(connection: Connection, request: Resolve) -> Receipt:
    """Settle an unknown outcome with what a person found."""
    row = actions.get(connection, request.key)
    receipt = receipt_for(
        row,
        "delivered" if request.happened else "failed",
        how="person",
        reference=request.reference if request.happened else "",
        problem="" if request.happened else "a person found nothing",
    )
    receipt = dated(connection, receipt)
    if not actions.resolve(connection, request.key, receipt):
        receipt = already(actions.get(connection, request.key))
    commit_riders(connection, request, [lines.resolved(receipt, request)])
    return receipt


def claim(
    connection: Connection, request: Deliver, owner: str, lease_us: int
) -> tuple[Row[Any], Lease | None, tuple[Condemnation, ...]]:
    """Take the lease of an action as `actions.claim` does, unless it came from something condemned.

    What nobody has begun is then marked as held, without a lease. What may have been sent already gets one, so that the target
    can be asked: the last value says that nothing may be sent.
    """
    # Locked before it is asked whether it is held: whoever condemns at this moment either waits, and finds it being sent, or
    # is waited for, and it is not sent.
    row = actions.locked(connection, request.key)
    if row is None:
        raise not_recorded(request)
    held: tuple[Condemnation, ...] = ()
    if row.state in (*actions.MAY_HAPPEN, *BEGUN):
        held = condemnations.holding(connection, row.trace, [row.key], row.key)
    if held and row.state in actions.MAY_HAPPEN:
        told = "; ".join(one.told for one in held)
        actions.hold_back(connection, [row.key], told)
        commit_riders(connection, request, [lines.held(row, told)])
        return row, None, held
    actions.let_go(connection, [row.key])
    return *actions.claim(connection, request.key, owner, lease_us), held


def hand_over(connection: Connection, request: Deliver, how: Relayed) -> Row[Any]:
    """Leave an action to the relay, with a line on the feed, and commit the request's riders. Safe to call twice.

    What another run has done is left to it as well: the target is asked whether it is there.
    """
    row = actions.get(connection, request.key)
    if row.state == "delivered" and row.trace != request.run.trace:
        anew(connection, request, row, asked=False)
    ours = relay.hand_over(connection, request.key, how)
    row = actions.get(connection, request.key)
    commit_riders(connection, request, [lines.handed_over(row, request.run.trace)] if ours else ())
    return row


def sweep(connection: Connection, key: str) -> bool:
    """Leave to the relay what a run has left behind, and tell its feed. False if it is not left behind any more."""
    row = relay.sweep(connection, key)
    if row is None:
        return False
    relay.tell_report(connection, row.trace)
    feed.append(connection, relay.run_of(connection, row.trace), [lines.swept(row)])
    return True


def fell_short(connection: Connection, key: str, problem: str, limits: Relaying, *, for_good: bool) -> None:
    """Record a failed attempt of the relay. `for_good`: no further one can show whether it has happened."""
    attempt = relay.unclear(connection, key, problem) if for_good else relay.failed(connection, key, problem, limits)
    if attempt is None or attempt.state in relay.OPEN:
        return
    row = actions.get(connection, key)
    if attempt.state == "dead":
        given_up = receipt_for(row, "dead", problem=f"given up after {row.tries} attempts: {problem}")
        relay.end(connection, row, dated(connection, given_up))
    relay.tell_report(connection, row.trace)
    line = lines.given_up(row, attempt.state)
    feed.append(connection, relay.run_of(connection, row.trace), [line])
