"""Runs that read one source, with all that came of it: a claim, a report, a gate and an action."""

from typing import Any

from sqlalchemy import Connection

from contracts.base import canonical, sha256
from contracts.handoff import Claim, Handoff, Producer
from contracts.ids import handoff_id
from ledger import actions, artifacts, gates, handoffs, turns
from ledger.db import Ledger
from tests.ledger import samples

SOURCE = b"prices are in cents"
REPORT = b"3 passed"
"""Made by both runs, byte for byte."""


def traced(connection: Connection, ledger: Ledger, trace: str, value: str) -> str:
    """A run that reads the source, hands off a claim, makes a report, and pushes what its gate showed; the handoff's id."""
    read = artifacts.put(connection, ledger.files, SOURCE).digest
    artifacts.note_seen(connection, trace, "plan", read, "shop/pricing.py", untrusted=True)
    first = samples.turn(1, trace=trace)
    last = samples.turn(2, parent=first.id, trace=trace)
    for one in (first, last):
        turns.insert(connection, one)
    turns.insert_result(connection, samples.result(first.id, 0))
    handoffs.link(connection, f"{first.id}/0", "used", [read])
    handoffs.link(connection, f"{first.id}/0", "derived", [first.id])
    handoffs.link(connection, last.id, "used", [first.id])
    claims = (Claim(subject="prices", attribute="unit", value=value), Claim(subject="shop", attribute="100%", value="all"))
    body = {"summary": value}
    made = Handoff[Any](
        id=handoff_id(trace, "plan", sha256(canonical(body))),
        contract_name="plan/2",
        outcome="done",
        body=body,
        producer=Producer(agent="planner", version="v2", model="openai:small"),
        claims=claims,
        unsupported=(1,),
        trace=trace,
        path="plan",
    )
    handoffs.put(connection, made, sha256(canonical(body)), canonical(made.model_dump(mode="json")))
    handoffs.link(connection, made.id, "generated", [last.id])
    report = artifacts.put(connection, ledger.files, REPORT).digest
    handoffs.derive(connection, trace, report, [made.id])
    intent = samples.intent(trace, arguments=trace)
    view = samples.view(trace=trace, workflow_id=f"delivery-{trace}", subject=sha256(f"{made.id} {report}".encode()))
    gates.open_gate(connection, samples.opening(view, intent).model_copy(update={"subject": f"{made.id} {report}"}))
    actions.propose(connection, intent, trace=trace, gate="plan-1", state="approved")
    return made.id
