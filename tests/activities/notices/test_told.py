"""Which feed lines people hear of, and that an event of a worker's own activities tells in its transaction."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.actions import lines as of_actions
from activities.gates import condemning
from activities.gates import lines as of_gates
from activities.gates.gates import Gates
from activities.gates.policy import Defaults
from activities.notices.wording import Links, shown
from activities.turns import lines as of_turns
from contracts.gate_requests import AdmitDecision
from contracts.notices import Occasion
from ledger.breakers import Opening
from ledger.db import Ledger
from ledger.policies import Proposal
from ledger.tables import notice
from tests.activities.notices.world import ORDERS, opened, policy, started
from tests.ledger.contents import begin as begin_run
from tests.ledger.samples import POLICY, opening, ref, view
from tests.ledger.traced import traced

OPENING = Opening(name="model:anthropic:opus", opened_at=1, until=2, times=1)


def test_an_open_breaker_is_told_once_an_outage_and_not_while_a_provider_asks_for_a_wait() -> None:
    """A wait that a provider names is a detail on the feed, and nobody is called for it. No reason is told."""
    alert = of_turns.breaker_opened(ref(), OPENING, ORDERS, "alert", again=False, person=False)
    waits = of_turns.breaker_opened(ref(), OPENING, ORDERS, "detail", again=False, person=False)
    assert (alert.tells, waits.tells) == (Occasion(kind="breaker_open", about="model:anthropic:opus"), None)
    target = of_actions.opened(Opening(name="target:http.post:bank", opened_at=1, until=2, times=1), ORDERS)
    assert target.tells == Occasion(kind="breaker_open", about="target:http.post:bank")


def test_a_proposed_policy_is_told_to_its_owners() -> None:
    """By its id; what it changes and why are in its proposal."""
    now = datetime.now(UTC)
    made = Proposal("abc", 1, "d", "b", (ORDERS,), (), ORDERS, "maria", "open", now, ())
    told = of_gates.policy_proposed(made, ("security", "olga"))
    assert told.tells == Occasion(kind="policy_proposed", about="abc", who=("security", "olga"))


@pytest.mark.parametrize(("risk", "level"), [(f"high: {ORDERS}", "high"), ("low", "low"), (ORDERS, ""), ("", "")])
def test_of_a_risk_its_level_alone_is_told(risk: str, level: str) -> None:
    """Its reasons may quote an agent, and what is no level is nothing."""
    assert view(risk=risk).occasion("gate_opened", ()).risk == level


async def test_gates_tell_when_they_open_and_when_nobody_answered(ledger: Ledger, tmp_path: Path) -> None:
    """In the activity's own transaction, once however often it is tried; of a ceiling as a parked run."""
    started(ledger)
    gates = Gates(ledger, policy())
    for one in (view("plan-1", narrative=ORDERS), view("ceiling-1", kind="ceiling")):
        for _ in range(2):
            await ActivityEnvironment().run(gates.open_gate, opening(one))
    rule = POLICY.model_copy(update={"who": ("owner", "shop"), "deadline": timedelta(days=1)})
    closing = AdmitDecision(run=ref(), gate=view("plan-1"), policy=rule, claim=None, owner="olga", closes="expired")
    for _ in range(2):
        await ActivityEnvironment().run(gates.admit_decision, closing)
    rows = ledger.read_now(lambda connection: connection.execute(notice.select().order_by(notice.c.seq)).all())
    assert [(row.kind, row.about, json.loads(row.who), bool(row.deadline)) for row in rows] == [
        ("gate_opened", "plan-1", ["*"], True),
        ("parked", "ceiling-1", ["*"], True),
        ("expired", "plan-1", ["olga", "shop"], False),
    ]
    assert {(row.pipeline, row.project, row.run) for row in rows} == {("delivery", "default", "delivery-trace-1")}
    assert ORDERS not in str(rows)


@pytest.mark.parametrize(("who", "told"), [(("*",), ["*"]), (("owner", "security"), ["olga", "security"])])
def test_a_condemnation_and_its_undoing_are_told_with_what_is_held(
    ledger: Ledger, who: tuple[str, ...], told: list[str]
) -> None:
    """By its id and in numbers: neither what was condemned nor why, which may repeat what an agent or a file says."""
    begin_run(ledger, "trace-1")
    made = ledger.tx_now(traced, ledger, "trace-1", ORDERS)
    rule = policy().gate("held").model_copy(update={"who": who})
    ours = policy().model_copy(update={"gates": {**policy().gates, "held": rule}, "defaults": Defaults(owner="olga")})
    for _ in range(2):
        done = ledger.tx_now(condemning.condemn, ours, [made], ORDERS, "olga", ORDERS)
    id = done.standing.condemnation.id
    for _ in range(2):
        ledger.tx_now(condemning.undo, ours, id, "olga", ORDERS)
    rows = ledger.read_now(lambda connection: connection.execute(notice.select().order_by(notice.c.seq)).all())
    assert [(row.kind, row.about, row.run, row.project) for row in rows] == [
        ("condemned", id, "", ""),
        ("condemnation_undone", id, "", ""),
    ]
    assert ORDERS not in str(rows)
    assert [json.loads(row.who) for row in rows] == [told, told]
    said, undone = (shown(row, Links()) for row in rows)
    assert said.title == f"something was condemned ({id}): 1 open run, 1 gate, 1 action held; 0 actions to settle"
    assert undone.title == f"condemnation {id} was undone: 1 open run, 1 gate, 1 action may go on"
    assert {said.importance, undone.importance} == {"alert"}
    assert said.commands == (f"baton condemned show {id}", "baton runbook alert-condemned")
    assert undone.commands == (f"baton condemned show {id}", "baton runbook alert-condemnation-undone")


def test_of_a_gate_that_takes_no_approval_without_a_note_none_is_offered(ledger: Ledger) -> None:
    """What `baton approve RUN held-1` alone would refuse is not printed; risk and deadline are those of any gate."""
    started(ledger)
    for gate, kind in (("held-1", "held"), ("plan-1", "plan")):
        opened(ledger, gate, kind=kind)
    rows = ledger.read_now(lambda connection: connection.execute(notice.select().order_by(notice.c.seq)).all())
    held, plan = (shown(row, Links()) for row in rows)
    assert held.commands == ("baton show delivery-trace-1 --gate held-1", "baton runbook gate-held")
    assert plan.commands[1:] == ("baton approve delivery-trace-1 plan-1", "baton runbook gate-plan")
    assert (held.kind, held.risk, held.deadline) == ("gate_opened", "medium", plan.deadline)
