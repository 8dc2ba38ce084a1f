"""Gates that take several people: who has said yes so far. The decision that closes such a gate is in `ledger/gates.py`."""

import json

from sqlalchemy import Connection, select, update

from contracts.base import digest_of
from contracts.gates import Claimed, GateView
from contracts.known import Known
from ledger import gates, seals
from ledger.tables import decision, gate

COUNTED = "counted"
"""Outcome of a yes at a gate that takes several: it counts, and did not close the gate."""


def counting_id(view: GateView, claim: Claimed) -> str:
    """The id of such a decision: a retry, or Temporal that applies it again after a reset, finds its row."""
    return digest_of(COUNTED, view.trace, view.gate, view.subject, claim.verb, claim.decision.by, claim.mark)


def count(connection: Connection, view: GateView, claim: Claimed, *, authenticated: bool, known: Known = "") -> bool:
    """Record a yes that does not close its gate yet, and show it there. False if its nonce has been used. Safe to call twice.

    The caller has locked the gate and checked that nobody counts twice. `known` is how the console knew who decided.
    """
    id = counting_id(view, claim)
    if not gates.insert(connection, view, claim, id=id, outcome=COUNTED, authenticated=authenticated, known=known):
        mine = update(decision).where(decision.c.id == id, decision.c.known == known).values(outcome=COUNTED, reason="")
        if connection.execute(mine).rowcount != 1:
            return False
    shown = view.model_copy(update={"approved_by": tuple(counted(connection, view, claim.verb).values())})
    here = (gate.c.trace == view.trace, gate.c.gate == view.gate)
    connection.execute(update(gate).where(*here).values(view=shown.model_dump_json()))
    seals.touch(connection, view.trace, "gate", f"{view.trace}/{view.gate}")
    return True


def counted(connection: Connection, view: GateView, verb: str) -> dict[str, str]:
    """Who has said this about the gate's present subject without closing it, in their order, by `counting_id`."""
    query = select(decision.c.id, decision.c.by).where(
        decision.c.trace == view.trace,
        decision.c.gate == view.gate,
        decision.c.subject == view.subject,
        decision.c.verb == verb,
        decision.c.outcome == COUNTED,
    )
    rows = connection.execute(query.order_by(decision.c.at, decision.c.id))
    return {str(row.id): str(row.by) for row in rows}


def answers_of(claim: Claimed) -> str:
    """A decision's answers as its row has them."""
    return json.dumps(claim.decision.answers or {}, sort_keys=True)


def answers_counted(connection: Connection, view: GateView, verb: str) -> list[str]:
    """What those who count so far have answered, each as `answers_of`."""
    ids = counted(connection, view, verb)
    rows = connection.execute(select(decision.c.answers).where(decision.c.id.in_(list(ids)))).scalars()
    return [json.dumps(json.loads(one), sort_keys=True) for one in rows]
