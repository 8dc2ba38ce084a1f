"""The end of a run in its record: it holds no money, nobody waits at its gates, and what it had not begun is not done."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.runs.journal import Journal
from contracts.intents import Intent
from contracts.journal import Finish, Totals
from contracts.runs import RunChange, RunState
from ledger import actions, gates, runs
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import Scope
from tests.ledger.samples import begin, intent, opening, ref, view
from tests.ledger.test_spend import books


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one run in it."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    opened.tx_now(runs.begin, *begin())
    yield opened
    opened.close()


async def finish(ledger: Ledger, state: RunState) -> Totals:
    """End the run so."""
    request = Finish(run=ref(), report="{}", change=RunChange(state=state, stage="end"))
    return await ActivityEnvironment().run(Journal(ledger, None).finish_run, request)  # type: ignore[arg-type]  # begins nothing


def allowed(ledger: Ledger, event: str, trace: str = "trace-1") -> Intent:
    """An action that a run was allowed and has not begun."""
    meant = intent(event)
    ledger.tx_now(actions.propose, meant, trace=trace, gate="change-1", state="approved")
    return meant


def states(ledger: Ledger, *intents: Intent) -> list[str]:
    """What became of them."""
    return [ledger.read_now(actions.get, one.key).state for one in intents]


async def test_a_run_that_has_ended_holds_no_money(ledger: Ledger) -> None:
    """What its killed attempts hold is lost, and charged; what other runs hold is theirs, also where a name begins alike."""
    own, other = Scope("run:trace-1", 100), Scope("run:trace-10", 100)
    for number, scope in enumerate((own, other)):
        ledger.tx_now(spend.reserve, f"call-{number}", (scope,), 30, price_version="test", worker="killed")
    assert (books(ledger, own.id), books(ledger, other.id)) == ((0, 30), (0, 30))
    for _ in range(2):
        await finish(ledger, "failed")
        assert (books(ledger, own.id), books(ledger, other.id)) == ((30, 0), (0, 30))


async def test_nobody_waits_at_the_gates_of_a_run_that_has_ended(ledger: Ledger) -> None:
    """A gate that was left open closes with its run, and with no other."""
    for gate in (view(), view(trace="trace-2")):
        ledger.tx_now(gates.open_gate, opening(gate))
    await finish(ledger, "failed")
    assert [one.trace for one in ledger.read_now(gates.open_gates)] == ["trace-2"]


@pytest.mark.parametrize(("state", "left"), [("cancelled", "expired"), ("done", "approved"), ("failed", "approved")])
async def test_what_a_cancelled_run_was_allowed_is_not_done_any_more(ledger: Ledger, state: RunState, left: str) -> None:
    """Its approval is taken back where nobody has begun; what is being sent goes on, and so does what another run may do."""
    waits, begun, others = allowed(ledger, "waits"), allowed(ledger, "begun"), allowed(ledger, "others", "trace-2")
    ledger.tx_now(actions.claim, begun.key, "worker-1", 1_000_000)
    await finish(ledger, state)
    assert states(ledger, waits, begun, others) == [left, "sending", "approved"]
