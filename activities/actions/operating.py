"""What operators do with actions of the outbox: have one tried again, give one up, say how one ended. Each is on the feed."""

from typing import Any

from sqlalchemy import Connection, Row

from activities.actions import lines
from activities.actions.outbox import BEGUN, dated, receipt_for
from contracts.actions import ActionState, Receipt
from contracts.errors import NotFound, Refused
from contracts.printed import command
from ledger import actions, feed, gates, relay
from ledger.views.actions import named
from ledger.views.feed import about


def retry(connection: Connection, name: str, by: str, why: str) -> str:
    """Have the relay try an action again, from its first attempt on; what may have happened is asked of the target first.

    For one that is `dead` or `unknown`, that waits for its next attempt, or that its run has left behind. Returns its key.
    Raises `NotFound`, `Ambiguous` and, for any other, `Refused`.
    """
    row, over = _row(connection, name)
    _not_at_a_gate(connection, row)
    _not_held(row)
    left = row.state in relay.OPEN and (row.relay or over)
    if row.state in relay.OPEN and not left:
        run = relay.run_of(connection, row.trace).workflow_id
        raise Refused(f"{_it(row)} is carried out by its run {run}, which goes on: `{command('show', run)}` says where it is")
    if not left and row.state not in ("dead", "unknown"):
        raise Refused(
            f"{_it(row)} is {row.state}, and is not tried again: that is for what is dead, unknown or waits{_because(row)}"
        )
    relay.begin_again(connection, row)
    asked = "the relay asks the target first whether it has happened" if row.state in BEGUN else "the relay carries it out"
    _tell(connection, row, f"to be tried again: {row.summary}", f"by {by}: {why}", asked, by)
    return str(row.key)


def abandon(connection: Connection, name: str, by: str, why: str) -> Receipt:
    """Give up what has certainly not happened, `approved`, `held` or `dead`: it becomes `declined`. Returns its receipt.

    Raises `NotFound`, `Ambiguous` and, for any other, `Refused`: what may have happened is settled, not given up.
    """
    row, _ = _row(connection, name)
    if row.state in BEGUN:
        raise Refused(
            f"{_it(row)} may have happened: `{command('actions settle', row.key[:12], options='--happened -m …')}` or "
            "--did-not-happen says what you found"
        )
    if row.state not in (*actions.MAY_HAPPEN, "dead"):
        hint = "; `baton actions decline` is for what is proposed" if row.state == "proposed" else ""
        raise Refused(f"{_it(row)} is {row.state}: there is nothing to give up{hint}{_because(row)}")
    receipt = dated(connection, receipt_for(row, "declined", how="person", problem=f"abandoned by {by}: {why}"))
    relay.end(connection, row, receipt)
    _tell(connection, row, f"declined: {row.summary}", receipt.problem, "nothing was done, and nothing will be", by)
    return receipt


def settle(connection: Connection, name: str, by: str, why: str, *, happened: bool, reference: str = "") -> Receipt:
    """Say of an action whose outcome is not known whether it happened: `delivered`, or `failed`. Returns its receipt.

    `reference` is the target's own id for it. Raises `NotFound`, `Ambiguous` and, where the outcome is known, nobody has begun,
    or its run asks at a gate, `Refused`.
    """
    row, _ = _row(connection, name)
    _not_at_a_gate(connection, row)
    if row.state not in BEGUN:
        hint = "; `baton actions abandon` gives it up" if row.state in (*actions.MAY_HAPPEN, "dead") else ""
        raise Refused(f"{_it(row)} is {row.state}: whether it happened is known{hint}{_because(row)}")
    found = f"{by} found that it {'happened' if happened else 'did not happen'}: {why}"
    state: ActionState = "delivered" if happened else "failed"
    made = receipt_for(row, state, how="person", reference=reference, problem="" if happened else found)
    receipt = dated(connection, made)
    relay.end(connection, row, receipt)
    _tell(connection, row, f"{receipt.state}: {row.summary}", found, reference and f"receipt {reference}", by)
    return receipt


def check_unchanged(connection: Connection, name: str, version: str) -> None:
    """Raise `Refused` if the action is not as somebody was shown it (`Outgoing.version`): with what it is now, and who did it.

    It stays so for this transaction. Raises `NotFound` and `Ambiguous` as well.
    """
    found = named(connection, name)
    if actions.locked(connection, found.key) is None:
        raise NotFound(f"there is no action {found.key[:12]}… any more")
    one = named(connection, found.key)
    if one.version == version:
        return
    last = next(reversed(about(connection, one.key)), None)
    who = "" if last is None else f"; the last word is {last.actor}'s: {last.did}{last.why and f' ({last.why})'}"
    raise Refused(
        f"action {one.key[:12]} ({one.summary}) has changed since this was shown: it is {one.state} now{who}. Look again"
    )


def _row(connection: Connection, name: str) -> tuple[Row[Any], bool]:
    """The action of this name as it stays for this transaction, and whether its run is over. Raises `Refused` if it is sent."""
    known = named(connection, name)
    row = actions.locked(connection, known.key)
    if row is None:
        raise NotFound(f"there is no action {known.key[:12]}… any more")
    if relay.is_held(connection, row):
        raise Refused(f"{_it(row)} is being sent now, by {row.lease_owner}; look again in a moment")
    return row, known.over


def _not_held(row: Row[Any]) -> None:
    """Raise `Refused` where it came from something condemned: no attempt may be made."""
    if row.state == "held":
        on = command("condemned settle", "CONDEMNATION", row.key[:12], options="--go-on -m …")
        raise Refused(f"{_it(row)} is held, as {row.problem}. `{on}` has it carried out all the same; abandon gives it up")


def _it(row: Row[Any]) -> str:
    return f"action {row.key[:12]} ({row.summary})"


def _because(row: Row[Any]) -> str:
    return f" ({row.reason})" if row.reason else ""


def _not_at_a_gate(connection: Connection, row: Row[Any]) -> None:
    """Raise `Refused` where a run asks a person about this action: it waits there for the answer."""
    title = f"did this happen: {row.summary}?"
    asking = (
        view for view in gates.open_gates(connection) if (view.trace, view.kind, view.title) == (row.trace, "unknown", title)
    )
    view = next(asking, None)
    if view is not None:
        run = view.workflow_id
        yes, no = command("happened", run, view.gate), command("did-not-happen", run, view.gate)
        raise Refused(f"{_it(row)} is asked about at gate {view.gate} of {run}: say it there, with `{yes}` or `{no}`")


def _tell(connection: Connection, row: Row[Any], did: str, why: str, next: str, by: str) -> None:
    relay.tell_report(connection, row.trace)
    feed.append(connection, relay.run_of(connection, row.trace), [lines.by_operator(row, did, why, next, by)])
