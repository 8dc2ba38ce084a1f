"""The actions outbox: what is to be done in the outside world, who is doing it, and the receipt."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select, update

from contracts.actions import ActionState, Receipt
from contracts.errors import NotFound, Refused
from ledger import lineage, seals
from ledger.db import in_parts, insert_once, server_us
from ledger.tables import action

if TYPE_CHECKING:  # as in `ledger/gates.py`: those who read actions load this module, too
    from contracts.intents import Intent

LONGEST_US = 120 * 1_000_000
"""No lease is taken for so long."""

MOST_BEGUN = 5
"""So many attempts in a row may begin and tell nobody how they went. A worker that is stopped at the wrong moment is one of
them; an action that ends its worker makes them all."""


@dataclass(frozen=True)
class Lease:
    """The right to carry out one action until `until`. `fence` rises with every lease: an older one can write nothing."""

    key: str
    fence: int
    until: int


def check(connection: Connection, intent: "Intent") -> None:
    """Raise `Refused` if the outbox has the same business key with other arguments. Changes nothing."""
    row = connection.execute(select(action).where(action.c.key == intent.key)).first()
    if row is not None and row.arguments_digest != intent.arguments_digest and row.state not in FREE:
        raise Refused(
            f"{intent.type}: run {row.trace} asked for the same event with other arguments (it is {row.state}); "
            "nothing was done. Make this one a different event (for git.push: another branch), or settle that one first"
        )


ITS_RUNS_OWN = {"relay": "", "handed_at": 0, "due_at": 0, "tries": 0, "problem": ""}
"""Values of an action that its run carries out itself, and the relay does not."""

MAY_HAPPEN = ("approved", "held")
"""States of an action that nobody has begun. `held`: the last who would have found that it came from something condemned."""

GIVEN_UP = ("rejected", "expired", "failed", "dead", "declined")
"""States in which nothing happened and nothing will: another run may ask for the same event again."""

FREE = (*GIVEN_UP, "proposed")
"""States in which an event is anybody's to ask for. `proposed`: nobody has asked for it yet, it waits for a person."""


def propose(connection: Connection, intent: "Intent", *, trace: str, gate: str, state: ActionState) -> Row[Any]:
    """Write an intent, or find the one with the same business key; returns the row that counts. Safe to call twice.

    The same event with other arguments raises `Refused`, naming the run that holds the key. An intent that was rejected in an
    earlier run, failed for good, or was only proposed, is taken over by this run.
    """
    values = _values(connection, intent, trace, gate, state)
    _insert(connection, intent, values)
    lineage.of_action(connection, trace, intent.key, gate, intent.arguments)
    seals.touch(connection, trace, "action", intent.key)
    # After the insert, which waits for another transaction that is writing the same key.
    check(connection, intent)
    # Also one that was approved in another run and that nobody has begun: what is executed must be the bytes of this
    # approval, and cancelling the other run must not withdraw them.
    unbegun = action.c.state.in_(MAY_HAPPEN) & (action.c.attempts == 0) & (action.c.trace != trace)
    again = update(action).where(action.c.key == intent.key, action.c.state.in_(FREE) | unbegun)
    connection.execute(again.values(values))
    return get(connection, intent.key)


def suggest(connection: Connection, intent: "Intent", *, trace: str) -> Row[Any]:
    """Write an intent as `proposed`, or find the one with the same business key, which stays unless it came to nothing."""
    values = _values(connection, intent, trace, "", "proposed")
    _insert(connection, intent, values)
    again = update(action).where(action.c.key == intent.key, action.c.state.in_(GIVEN_UP))
    connection.execute(again.values(values | {"type": intent.type}))
    return get(connection, intent.key)


def end(connection: Connection, intent: "Intent", receipt: Receipt, *, trace: str, gate: str) -> None:
    """Record the end of an intent that Baton does not carry out: refused, or done by a person. Safe to call twice.

    An action that is being sent or was sent stays as it is. So does one that was approved in another run, unless a person has
    done exactly that action.
    """
    values = _values(connection, intent, trace, gate, receipt.state, receipt)
    _insert(connection, intent, values)
    lineage.of_action(connection, trace, intent.key, gate, intent.arguments)
    seals.touch(connection, trace, "action", intent.key)
    unbegun = action.c.state.in_((*MAY_HAPPEN, "proposed")) & (action.c.attempts == 0)
    unbegun = unbegun & (action.c.arguments_digest == intent.arguments_digest)
    # Done is done, for every run that meant it; but a refusal in one run says nothing about the approval in another.
    if receipt.state != "done_by_person":
        unbegun = unbegun & (action.c.trace == trace)
    again = update(action).where(action.c.key == intent.key, action.c.state.in_(GIVEN_UP) | unbegun)
    connection.execute(again.values(values))


def _values(
    connection: Connection, intent: "Intent", trace: str, gate: str, state: ActionState, receipt: Receipt | None = None
) -> dict[str, Any]:
    return {
        "trace": trace,
        "gate": gate,
        "order": intent.order,
        "summary": intent.summary,
        "target": intent.target,
        "taint": ",".join(intent.taint),
        "arguments": intent.arguments,
        "arguments_digest": intent.arguments_digest,
        "state": state,
        "reason": receipt.problem if receipt else "",
        "receipt": receipt.model_dump_json() if receipt else "",
        # By the database's clock, which is one for all workers: rates count by it.
        "updated_at": server_us(connection),
        "begun": 0,
        **ITS_RUNS_OWN,
    }


def _insert(connection: Connection, intent: "Intent", values: dict[str, Any]) -> None:
    insert_once(
        connection, action, key=intent.key, type=intent.type, lease_owner="", attempts=0, at=values["updated_at"], **values
    )


def find(connection: Connection, key: str) -> Row[Any] | None:
    """One action, or None."""
    return connection.execute(select(action).where(action.c.key == key)).first()


def beginning_with(connection: Connection, beginning: str) -> Row[Any] | None:
    """The one action whose key begins so; None if there is none, or there are several."""
    query = select(action).where(action.c.key.startswith(beginning.lower(), autoescape=True)).limit(2)
    found = connection.execute(query).all()
    return found[0] if len(found) == 1 else None


def get(connection: Connection, key: str) -> Row[Any]:
    """One action. Raises `NotFound`."""
    return _one(connection, select(action).where(action.c.key == key), key)


def _one(connection: Connection, query: Select[Any], key: str) -> Row[Any]:
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"there is no action {key[:12]}…")
    return row


def claim(connection: Connection, key: str, owner: str, lease_us: int) -> tuple[Row[Any], Lease | None]:
    """Take the lease of an approved action. No lease if it is settled, held or worn out, or while another attempt's lease runs.

    The row is as it was *before* the claim: `sending` there means that the outcome of an earlier attempt is unknown. The
    attempt is counted now: it may end this process before it can tell anything.
    """
    # Locked: a claim that another worker is just making must be seen.
    before = _one(connection, select(action).where(action.c.key == key).with_for_update(), key)
    now = server_us(connection)
    # `sending` with a lease that has run out: its worker died between the claim and the receipt.
    free = (action.c.state == "approved") | (_left_in_the_middle(now) & (action.c.begun < MOST_BEGUN))
    query = (
        update(action)
        .where(action.c.key == key, free)
        .values(
            state="sending",
            lease_owner=owner,
            lease_until=now + lease_us,
            fence=action.c.fence + 1,
            attempts=action.c.attempts + 1,
            begun=action.c.begun + 1,
            updated_at=now,
        )
        .returning(action.c.fence)
    )
    fence = connection.execute(query).scalar()
    return before, None if fence is None else Lease(key, int(fence), now + lease_us)


def is_worn_out(connection: Connection, key: str) -> bool:
    """True if so many attempts in a row told nobody how they went that no further one may begin; a person has to look."""
    worn = _left_in_the_middle(server_us(connection)) & (action.c.begun >= MOST_BEGUN)
    return connection.execute(select(action.c.key).where(action.c.key == key, worn)).first() is not None


def _left_in_the_middle(now: int) -> ColumnElement[bool]:
    return action.c.state.in_(["sending", "unknown"]) & unheld(now)


def unheld(now: int) -> ColumnElement[bool]:
    """Actions whose lease has run out, as a condition."""
    # A lease that ends too far ahead was taken by a clock that was wrong, and must not count until then.
    return (action.c.lease_until < now) | (action.c.lease_until > now + LONGEST_US)


def again(
    connection: Connection, before: Row[Any], intent: "Intent", *, trace: str, gate: str, state: ActionState = "approved"
) -> bool:
    """Approve for this run what another run had done and the target does not have any more. False if the row has changed.

    With the state `sending` the target is asked first whether it has it, as after an attempt that nobody knows the end of.
    """
    seals.touch(connection, trace, "action", before.key)
    same = (action.c.key == before.key, action.c.state == "delivered", action.c.fence == before.fence)
    values = _values(connection, intent, trace, gate, state) | {"attempts": 0}
    return connection.execute(update(action).where(*same).values(values)).rowcount == 1


def hold(connection: Connection, lease: Lease, lease_us: int) -> bool:
    """Extend a lease to `lease_us` from now; 0 releases it, so that the next attempt need not wait. False if it was lost.

    Whoever releases it lives to tell how the attempt went.
    """
    # Fenced: an attempt that has lost its lease must not extend or release the one of its successor.
    query = update(action).where(action.c.key == lease.key, action.c.fence == lease.fence, action.c.state == "sending")
    values = {"lease_until": server_us(connection) + lease_us} if lease_us else {"lease_until": 0, "begun": 0}
    return connection.execute(query.values(values)).rowcount == 1


def put_back(connection: Connection, lease: Lease) -> bool:
    """Make it approved again, and the lease free: this attempt, the only one that began, has certainly sent nothing."""
    query = update(action).where(action.c.key == lease.key, action.c.fence == lease.fence, action.c.state == "sending")
    values = {"state": "approved", "lease_until": 0, "begun": 0, "updated_at": server_us(connection)}
    return connection.execute(query.values(values)).rowcount == 1


def locked(connection: Connection, key: str) -> Row[Any] | None:
    """One action, which no other transaction changes before this one ends; None if there is none."""
    return connection.execute(select(action).where(action.c.key == key).with_for_update()).first()


def hold_back(connection: Connection, keys: Iterable[str], why: str) -> None:
    """Mark these actions as `held`, and why; those that are not approved stay as they are. Waits for whoever takes one now."""
    values = {"state": "held", "problem": why, "updated_at": server_us(connection)}
    for some in in_parts(keys):
        query = update(action).where(action.c.key.in_(some), action.c.state == "approved")
        connection.execute(query.values(**values))


def let_go(connection: Connection, keys: Iterable[str]) -> None:
    """Make held ones of these actions approved again, due at once where the relay has them."""
    values = {"state": "approved", "problem": "", "due_at": 0, "updated_at": server_us(connection)}
    for some in in_parts(keys):
        connection.execute(update(action).where(action.c.key.in_(some), action.c.state == "held").values(**values))


def settle(connection: Connection, lease: Lease, receipt: Receipt) -> bool:
    """Record the outcome under a lease. False if a newer lease has taken over: that one's outcome counts."""
    # Fenced, too: once another attempt has taken over, only that one reports the outcome.
    query = update(action).where(action.c.key == lease.key, action.c.fence == lease.fence, action.c.state == "sending")
    done = connection.execute(
        query.values(
            state=receipt.state,
            receipt=receipt.model_dump_json(),
            reason=receipt.problem,
            lease_until=0,
            begun=0,
            updated_at=server_us(connection),
        )
    )
    _touch(connection, lease.key)
    return done.rowcount == 1


def _touch(connection: Connection, *keys: str) -> None:
    for row in connection.execute(select(action.c.key, action.c.trace).where(action.c.key.in_(keys))):
        seals.touch(connection, row.trace, "action", row.key)


def resolve(connection: Connection, key: str, receipt: Receipt) -> bool:
    """Settle an unknown outcome with what a person found out. False if it is settled already, or being sent now."""
    # Never under a live lease: its attempt may be about to learn the outcome itself.
    now = server_us(connection)
    query = update(action).where(action.c.key == key, action.c.state.in_([*MAY_HAPPEN, "sending", "unknown"]), unheld(now))
    values = {"state": receipt.state, "receipt": receipt.model_dump_json(), "updated_at": now}
    _touch(connection, key)
    return connection.execute(query.values(**values)).rowcount == 1


def withdraw(connection: Connection, trace: str, reason: str, gate: str | None = None) -> None:
    """Withdraw what was approved in a run, or at one gate of it, and nobody has begun. It can be asked for again."""
    query = update(action).where(action.c.trace == trace, action.c.state.in_(MAY_HAPPEN))
    if gate is not None:
        query = query.where(action.c.gate == gate)
    now = server_us(connection)
    withdrawn = connection.execute(query.values(state="expired", reason=reason, updated_at=now).returning(action.c.key))
    for key in withdrawn.scalars():
        seals.touch(connection, trace, "action", key)


def of_trace(connection: Connection, trace: str) -> list[Row[Any]]:
    """The actions of a run family, in their order."""
    return list(connection.execute(select(action).where(action.c.trace == trace).order_by(action.c.order)))
