"""Gates on the activity side: an approval, its record and the actions it allows are one; nothing else allows any."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError
from temporalio.testing import ActivityEnvironment

from activities.gates.gates import Gates
from activities.gates.policy import load_policy
from contracts.actions import Receipt
from contracts.gate_requests import AdmitDecision
from contracts.gates import VERBS, Claimed, Decided, GatePolicy, GateView, Verb
from contracts.intents import Intent
from contracts.money import CeilingRefused
from contracts.runs import FeedLine, RunChange
from ledger import actions, artifacts, feed, gates, runs
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import Scope
from ledger.tables import scope as scope_table
from tests.ledger.samples import POLICY, SUBJECT, admit, begin, claim, intent, note, opening, view

GATE = view()
SHIPPED = load_policy(Path("policy.toml"))
ENVIRONMENT = ActivityEnvironment()


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one run in it."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    opened.tx_now(runs.begin, *begin())
    yield opened
    opened.close()


@pytest.fixture
async def desk(ledger: Ledger) -> Gates:
    """The activities, and one open gate with an action that rides on it."""
    made = Gates(ledger, SHIPPED)
    await ENVIRONMENT.run(made.open_gate, opening(GATE, intent()))
    return made


async def say(desk: Gates, by: str, verb: Verb = "approve", gate: GateView = GATE, **more: str) -> Decided:
    """Say something at a gate."""
    return await ask(desk, claim(by, verb, gate=gate.gate, **more), gate)


async def ask(desk: Gates, said: Claimed | None, gate: GateView = GATE, **changes: object) -> Decided:
    """Have a claim checked; None closes the gate."""
    request: AdmitDecision = admit(gate, said).model_copy(update=changes)
    return await ENVIRONMENT.run(desk.admit_decision, request)


def states(ledger: Ledger, trace: str = "trace-1") -> list[str]:
    """The states of the run's actions."""
    return [row.state for row in ledger.read_now(actions.of_trace, trace)]


def lines(ledger: Ledger) -> list[FeedLine]:
    """The feed."""
    return ledger.read_now(feed.after)


def refusals(ledger: Ledger) -> list[tuple[str, str]]:
    """Who was refused, and why."""
    kept = ledger.read_now(gates.decisions, "trace-1")
    return [(one["by"], one["reason"]) for one in kept if one["outcome"] == "refused"]


async def test_an_approval_approves_what_rides_on_the_gate(desk: Gates, ledger: Ledger) -> None:
    """The decision, its line in the feed and the approved action are there together."""
    outcome = await say(desk, "olga", note="go")
    assert (outcome.won, outcome.verb, outcome.by, outcome.intents) == (True, "approve", "olga", (intent().key,))
    assert states(ledger) == ["approved"]
    last = lines(ledger)[-1]
    assert (last.actor, last.did, last.why, last.next) == ("olga", "approve at plan-1", "go", "the run goes on")
    assert ledger.read_now(gates.open_gates) == []


async def test_a_rejection_approves_nothing(desk: Gates, ledger: Ledger) -> None:
    """After a reject there is no action at all."""
    outcome = await say(desk, "olga", "reject", note="no")
    assert (outcome.verb, outcome.intents, states(ledger)) == ("reject", (), [])


async def test_an_approval_after_a_rejection_approves_nothing(desk: Gates, ledger: Ledger) -> None:
    """The recorded reject stands; the approver is told so, kept as refused, and the feed does not say that it counted."""
    await say(desk, "olga", "reject", note="no")
    outcome = await say(desk, "otto")
    assert (outcome.won, outcome.verb, outcome.by) == (True, "reject", "olga")
    assert states(ledger) == []
    assert refusals(ledger) == [("otto", "reject by olga was recorded earlier and stands")]
    assert lines(ledger)[-1].did == "tried to approve at plan-1 and was refused"


async def test_a_used_nonce_approves_nothing(desk: Gates, ledger: Ledger) -> None:
    """A decision that is replayed at another gate is refused there, recorded, and allows no action."""
    await say(desk, "olga", "reject", note="no", nonce="n-1")
    other = view("plan-2", revision=2)
    await ENVIRONMENT.run(desk.open_gate, opening(other, intent("another")))
    outcome = await say(desk, "olga", gate=other, nonce="n-1")
    assert (outcome.won, outcome.reason) == (False, "this decision's nonce has been used before")
    assert states(ledger) == []
    assert refusals(ledger) == [("olga", outcome.reason)]
    assert [one.gate for one in ledger.read_now(gates.open_gates)] == ["plan-2"]


@pytest.mark.parametrize("how", ["expired", "cancelled"])
async def test_an_approval_at_a_closed_gate_approves_nothing(desk: Gates, ledger: Ledger, how: str) -> None:
    """After the deadline, or after the run was cancelled, nothing is decided any more."""
    closed = await ask(desk, None, closes=how)
    outcome = await say(desk, "olga")
    assert (closed.won, closed.verb) == (True, how)
    assert (outcome.won, outcome.reason) == (False, f"gate plan-1 is {how} and takes no decision")
    assert states(ledger) == []
    assert refusals(ledger) == [("olga", outcome.reason)]


async def test_a_deadline_after_the_decision_changes_nothing(desk: Gates, ledger: Ledger) -> None:
    """A gate that was decided in time is not closed once more: the decision is given back, and the feed says whose."""
    await say(desk, "olga", "reject", note="no")
    outcome = await ask(desk, None)
    assert (outcome.verb, outcome.by) == ("reject", "olga")
    assert "olga had decided it in time" in lines(ledger)[-1].why


async def test_a_decision_about_another_subject_approves_nothing(desk: Gates, ledger: Ledger) -> None:
    """A run that was set back and shows something else at the same gate needs a decision about that."""
    await say(desk, "olga", "reject", note="no")
    changed = view(subject="f" * 64)
    outcome = await say(desk, "otto", gate=changed)
    assert not outcome.won
    assert "was decided before, by olga, about another subject" in outcome.reason
    assert states(ledger) == []


async def test_what_policy_refuses_is_recorded_and_leaves_the_gate_open(desk: Gates, ledger: Ledger) -> None:
    """Somebody who may not decide is told why, kept on record with the line in the feed, and the gate waits on."""
    strict = GatePolicy(who=("olga",), deadline=timedelta(days=1))
    outcome = await ask(desk, claim("otto"), policy=strict)
    assert (outcome.won, outcome.reason) == (False, "'otto' may not decide here; policy allows olga")
    assert (states(ledger), refusals(ledger)) == ([], [("otto", outcome.reason)])
    last = lines(ledger)[-1]
    assert (last.did, last.next) == ("tried to approve at plan-1 and was refused", "the gate stays open")
    assert [one.gate for one in ledger.read_now(gates.open_gates)] == ["plan-1"]
    assert (await ask(desk, claim("olga"), policy=strict)).won


async def test_agents_and_requesters_do_not_approve(desk: Gates, ledger: Ledger) -> None:
    """No agent decides at any gate; who asked for the run does not approve where policy says so, but may reject."""
    own = POLICY.model_copy(update={"requester_may_approve": False})
    assert (await say(desk, "agent:writer")).reason == "agents never decide at a gate"
    assert "asked for this run and may not approve it" in (await ask(desk, claim("olga"), policy=own)).reason
    assert states(ledger) == []
    assert (await ask(desk, claim("olga", "reject", note="no"), policy=own)).won


def raising(to_usd: str) -> Claimed:
    """Somebody wants a run to be given that much."""
    said = claim("otto", "raise_ceiling", gate="ceiling-1")
    return said.model_copy(update={"decision": said.decision.model_copy(update={"to_usd": Decimal(to_usd)})})


async def test_nobody_raises_a_ceiling_beyond_what_policy_allows(ledger: Ledger) -> None:
    """More is refused, recorded, and leaves gate and ceiling as they are; as much as policy says is given."""
    desk, scope = Gates(ledger, SHIPPED), Scope("run:trace-1", 1_000_000)
    ledger.tx_now(spend.begin, scope)
    ceiling = CeilingRefused(scope=scope.id, ceiling=scope.ceiling, wanted=1)
    gate = view("ceiling-1", kind="ceiling", verbs=VERBS["ceiling"], ceiling=ceiling)
    await ENVIRONMENT.run(desk.open_gate, opening(gate))
    rule = POLICY.model_copy(update={"most_usd": Decimal(5)})
    refused = await ask(desk, raising("5.01"), gate, policy=rule)
    assert (refused.won, refused.reason) == (False, "policy allows a run at most $5, not $5.01")
    assert refusals(ledger) == [("otto", refused.reason)]
    assert [one.gate for one in ledger.read_now(gates.open_gates)] == ["ceiling-1"]
    assert ledger.read_now(given, scope.id) == 1_000_000
    assert (await ask(desk, raising("5"), gate, policy=rule)).won
    assert ledger.read_now(given, scope.id) == 5_000_000


def given(connection: Connection, scope_id: str) -> int:
    """How high a ceiling is."""
    return int(connection.execute(select(scope_table.c.ceiling).where(scope_table.c.id == scope_id)).scalar_one())


async def test_an_action_that_another_run_means_otherwise_is_not_approved(desk: Gates, ledger: Ledger) -> None:
    """The same event with other arguments stands in the outbox: the approval is refused with that reason, the gate waits."""
    ledger.tx_now(actions.propose, intent(arguments="b"), trace="trace-2", gate="change-1", state="approved")
    outcome = await say(desk, "olga")
    assert not outcome.won
    assert "run trace-2 asked for the same event with other arguments" in outcome.reason
    assert (states(ledger), states(ledger, "trace-2")) == ([], ["approved"])
    assert [one.gate for one in ledger.read_now(gates.open_gates)] == ["plan-1"]


@pytest.mark.parametrize("table", ["action", "feed", "decision"])
async def test_decision_and_actions_are_written_together_or_not_at_all(desk: Gates, ledger: Ledger, table: str) -> None:
    """Whichever write fails, there is no decision without its action and no action without its decision; then it works."""
    ledger.tx_now(_execute, f"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no room'); END")
    with pytest.raises(IntegrityError, match="no room"):
        await say(desk, "olga")
    assert (states(ledger), ledger.read_now(gates.decisions, "trace-1")) == ([], [])
    assert ledger.read_now(gates.find, "trace-1", "plan-1")[1] == "open"
    ledger.tx_now(_execute, "DROP TRIGGER broken")
    assert (await say(desk, "olga")).won
    assert states(ledger) == ["approved"]


def _execute(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))


async def test_asking_again_gives_the_same_decision_once(desk: Gates, ledger: Ledger) -> None:
    """An activity that is tried again finds its own decision: one decision, one action, one line, and no refusal."""
    first = await say(desk, "olga", nonce="n-1")
    before = len(lines(ledger))
    assert await say(desk, "olga", nonce="n-1") == first
    assert (len(lines(ledger)), states(ledger), refusals(ledger)) == (before, ["approved"], [])


def failed(ledger: Ledger) -> None:
    """Have the approved action tried, and refused by its target."""
    _, lease = ledger.tx_now(actions.claim, intent().key, "worker-1", 1_000_000)
    assert lease is not None
    receipt = Receipt(key=intent().key, type="git.push", state="failed", summary="push a", problem="protected")
    assert ledger.tx_now(actions.settle, lease, receipt)


def withdrawn(ledger: Ledger) -> None:
    """Have the run end before anybody began the approved action."""
    ledger.tx_now(actions.withdraw, "trace-1", "the run ended")


@pytest.mark.parametrize(("become", "state"), [(failed, "failed"), (withdrawn, "expired")])
async def test_a_late_duplicate_of_an_approval_revives_no_action(
    desk: Gates, ledger: Ledger, become: Callable[[Ledger], None], state: str
) -> None:
    """A worker that wakes after its attempt was replaced is told what stands; what became of the action since stays."""
    first = await say(desk, "olga")
    become(ledger)
    before, told = ledger.read_now(actions.get, intent().key), lines(ledger)
    assert before.state == state
    assert await say(desk, "olga") == first
    assert ledger.read_now(actions.get, intent().key) == before
    assert (lines(ledger), refusals(ledger)) == (told, [])


async def test_a_late_duplicate_leaves_the_action_to_the_run_that_took_it(desk: Gates, ledger: Ledger) -> None:
    """Another run means the withdrawn event with arguments of its own: the late one takes nothing back and is not refused."""
    first = await say(desk, "olga")
    withdrawn(ledger)
    ledger.tx_now(actions.propose, intent(arguments="b"), trace="trace-2", gate="change-1", state="approved")
    assert await say(desk, "olga") == first
    assert (states(ledger), states(ledger, "trace-2"), refusals(ledger)) == ([], ["approved"], [])


async def test_opening_twice_is_one_gate(desk: Gates, ledger: Ledger) -> None:
    """Opened again, also with other words and other actions, the gate and its line are as they were the first time."""
    first = ledger.read_now(gates.open_gates)
    assert [one.title for one in first] == [GATE.title]
    other: Intent = intent("another")
    again = opening(view(title="another"), other)
    await ENVIRONMENT.run(desk.open_gate, again)
    assert ledger.read_now(gates.open_gates) == first
    assert [line.did for line in lines(ledger)] == ["opened gate plan-1: a plan"]
    assert ledger.read_now(artifacts.get, ledger.files, GATE.subject) == SUBJECT.encode()
    assert (await say(desk, "olga")).intents == (intent().key,)


async def test_what_waits_to_be_told_is_committed_with_the_gate(ledger: Ledger) -> None:
    """Lines that ride along come before the gate's own, and the run's row says what it waits for from the same moment."""
    change = RunChange(state="waiting", waiting_for="plan-1")
    request = opening(GATE).model_copy(update={"notes": (note("planned"),), "change": change})
    await ENVIRONMENT.run(Gates(ledger, SHIPPED).open_gate, request)
    assert [line.did for line in lines(ledger)] == ["did planned", "opened gate plan-1: a plan"]
    row = ledger.read_now(runs.find, "trace-1")
    assert (row.state, row.waiting_for) == ("waiting", "plan-1")
