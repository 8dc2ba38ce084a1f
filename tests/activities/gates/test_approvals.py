"""The executor asks again: what was changed in the ledger after people had signed, or was never signed, is not executed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text, update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.actions.deliver import Actions
from activities.actions.sending import Sender
from activities.gates.approvals import Approvals
from activities.gates.gates import Gates
from activities.gates.policy import Policy
from activities.gates.standing import Standing, body_of
from contracts.actions import Deliver, Receipt, Tier
from contracts.base import sha256
from contracts.errors import BatonError
from contracts.gates import Claimed, Decision, GateView
from contracts.intents import Intent
from contracts.keys import key_id
from contracts.signing import SignedDecision
from ledger import actions, artifacts, feed, keys, policies, runs
from ledger.db import Ledger
from ledger.tables import action, decision
from tests.keys import key_of, policy, signed
from tests.ledger.samples import NOW, POLICY, admit, begin, claim, intent, opening, ref, view

ENVIRONMENT = ActivityEnvironment()
MEANT, OTHER = b'{"branch":"a"}', b'{"branch":"b"}'
ACTION = intent(arguments="a").model_copy(update={"arguments": sha256(MEANT)})
GATE = view("change-1", kind="change", verbs=("approve", "reject", "request_changes"))
SIGNED = policy()
KNOWN = policy(('identity = "signed"', 'identity = "known"'))


class Target:
    """A target outside, which has what was sent."""

    permanent: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        self.has: list[bytes] = []

    def find(self, arguments: bytes) -> str | None:
        """Whether it has this."""
        return "there" if arguments in self.has else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Take it."""
        del when
        self.has.append(arguments)
        return "sent"


@dataclass
class Desk:
    """A ledger in which an action is approved, and who carries it out."""

    ledger: Ledger
    target: Target

    async def decide(self, said: Claimed, having: Policy = SIGNED, gate: GateView = GATE, *intents: Intent) -> None:
        """Open the gate, and decide there; it has to count."""
        desk = Gates(self.ledger, having)
        await ENVIRONMENT.run(desk.open_gate, opening(gate, *(intents or (ACTION,))))
        rule = POLICY.model_copy(update={"approvals": gate.approvals})
        outcome = await ENVIRONMENT.run(desk.admit_decision, admit(gate, said).model_copy(update={"policy": rule}))
        assert outcome.won or outcome.counts, outcome.reason

    async def deliver(self, having: Any = SIGNED) -> Receipt:
        """Have the action carried out."""
        adapters = {"git.push": self.target, "note": self.target}
        sender = Actions(self.ledger, Sender(self.ledger, adapters, "worker-1", doubt=Approvals(having).doubt))
        return await ENVIRONMENT.run(sender.deliver, Deliver(run=ref(), key=ACTION.key))

    def write(self, statement: str, **values: Any) -> None:
        """What somebody with a hand on the database does; it has to change something."""
        changed = self.ledger.tx_now(lambda connection: connection.execute(text(statement), values).rowcount)
        assert changed > 0, statement


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    """A run, and the arguments of its action, and others."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    asked, began = begin()
    ledger.tx_now(runs.begin, asked, began.model_copy(update={"actions": {"git.push": "confirm", "note": "auto"}}))
    for one in (MEANT, OTHER):
        ledger.tx_now(artifacts.put, ledger.files, one, "application/json")
    yield Desk(ledger, Target())
    ledger.close()


def approval(by: str = "olga", gate: GateView = GATE, *intents: Intent, key: str = "") -> Claimed:
    """Somebody's signed approval."""
    return signed(claim(by, nonce=f"{by}-{gate.gate}", gate=gate.gate), gate, *(intents or (ACTION,)), key=key)


async def refused(desk: Desk, why: str, having: Any = SIGNED) -> None:
    """Nothing is sent, and everybody is told why; asked again it stays so."""
    receipt = await desk.deliver(having)
    assert (receipt.state, desk.target.has) == ("rejected", []), receipt
    assert receipt.problem.startswith("nothing was sent: ")
    assert why in receipt.problem, receipt.problem
    last = desk.ledger.read_now(feed.after)[-1]
    assert (last.did, last.why) == (f"rejected: {ACTION.summary}", receipt.problem)
    assert (await desk.deliver(having)).state == "rejected"


async def test_what_was_signed_is_executed(desk: Desk) -> None:
    """The check of the check: an approval that is signed, and that nobody has touched, has its effect, once."""
    await desk.decide(approval())
    assert (await desk.deliver()).state == "delivered"
    assert (await desk.deliver()).state == "delivered"
    assert desk.target.has == [MEANT]


ALTERED = {
    "other arguments": f"UPDATE action SET arguments = '{sha256(OTHER)}'",
    "another type": "UPDATE action SET type = 'note'",
    "another gate": "UPDATE action SET gate = 'plan-1'",
    "another run": "UPDATE action SET trace = 'trace-2'",
    "no gate": "UPDATE action SET gate = ''",
    "another name": "UPDATE decision SET by = 'otto'",
    "another note": "UPDATE decision SET note = 'as you like'",
    "other answers": """UPDATE decision SET answers = '{"a": "b"}'""",
    "another nonce": "UPDATE decision SET nonce = 'another'",
    "no nonce": "UPDATE decision SET nonce = NULL",
    "another subject": f"UPDATE decision SET subject = '{'f' * 64}'",
    "another subject of both": f"UPDATE decision SET subject = '{'f' * 64}'; UPDATE gate SET subject = '{'f' * 64}'",
    "moved to another gate": "UPDATE decision SET gate = 'plan-1'",
    "not signed": "UPDATE decision SET signature = '', statement = ''",
    "no signature": "UPDATE decision SET signature = ''",
    "no statement": "UPDATE decision SET statement = ''",
    "a statement that is none": "UPDATE decision SET statement = '{}'",
    "a signature that is none": "UPDATE decision SET signature = 'ed25519:none'",
    "cut off": "UPDATE decision SET signature = substr(signature, 1, length(signature) - 2)",
    "more people": r"""UPDATE decision SET statement = replace(statement, '"approvals"\:1', '"approvals"\:2')""",
    "other actions": f"UPDATE decision SET statement = replace(statement, '{sha256(MEANT)}', '{sha256(OTHER)}'); "
    f"UPDATE action SET arguments = '{sha256(OTHER)}'",
    "no longer counts": "UPDATE decision SET outcome = 'superseded'",
    "counted and not won": "UPDATE decision SET outcome = 'counted'",
    "refused": "UPDATE decision SET outcome = 'refused'",
    "a rejection": "UPDATE decision SET verb = 'reject'",
    "gone": "DELETE FROM decision",
    "another kind of gate": "UPDATE gate SET kind = 'plan'",
    "another revision": "UPDATE gate SET revision = 2",
    "the gate is gone": "DELETE FROM gate",
    "the run is gone": "DELETE FROM run",
}
"""One hand's work each, after a good approval."""


@pytest.mark.parametrize("how", ALTERED)
async def test_what_was_altered_is_not_executed(desk: Desk, how: str) -> None:
    """Whatever row of it was changed by hand: nothing is sent, the action is rejected, and the feed says why."""
    await desk.decide(approval())
    for statement in ALTERED[how].split("; "):
        desk.write(statement)
    receipt = await desk.deliver()
    assert (receipt.state, desk.target.has) == ("rejected", []), f"{how}: {receipt}"
    assert "nothing was sent: " in receipt.problem


async def test_a_statement_that_nobody_signed_is_not_executed(desk: Desk) -> None:
    """Action and statement are changed together, so that they agree: only the signature does not."""
    await desk.decide(approval())
    for statement in ALTERED["other actions"].split("; "):
        desk.write(statement)
    await refused(desk, "it is not what was signed")


@pytest.mark.parametrize("key", ["mallory", "maria", "otto"])
async def test_an_approval_that_was_written_by_hand_is_not_executed(desk: Desk, key: str) -> None:
    """Somebody adds a whole decision in olga's name, well signed with a key that is not hers."""
    await desk.decide(approval())
    said = approval(key=key)
    statement = SignedDecision.of(GATE, (ACTION,), "approve", said.decision).stored().decode()
    desk.write("UPDATE decision SET signature = :it, statement = :said", it=said.decision.signature, said=statement)
    await refused(desk, "is no key of 'olga'")


async def test_an_action_that_nobody_approved_is_not_executed(desk: Desk) -> None:
    """A row of the outbox that was added by hand: with a gate at which others were approved, with an unknown one, with none."""
    await desk.decide(approval("olga", GATE, intent("another")), SIGNED, GATE, intent("another"))
    desk.ledger.tx_now(actions.propose, ACTION, trace="trace-1", gate="change-1", state="approved")
    await refused(desk, "what would be executed is not what was signed")
    for gate, why in (("change-9", "no approval at change-9 is on record"), ("", "nobody has approved it")):
        desk.ledger.tx_now(lambda connection, gate=gate: connection.execute(again(gate)))
        await refused(desk, why)


def again(gate: str) -> Any:
    """The action as if nobody had asked."""
    return update(action).where(action.c.key == ACTION.key).values(state="approved", gate=gate, receipt="", attempts=0)


async def test_what_policy_lets_happen_alone_needs_no_signature(desk: Desk) -> None:
    """A type of the tier auto has no gate, and no approval."""
    meant = ACTION.model_copy(update={"type": "note"})
    desk.ledger.tx_now(actions.propose, meant, trace="trace-1", gate="", state="approved")
    assert (await desk.deliver()).state == "delivered"


async def test_a_key_that_was_revoked_meanwhile_moves_nothing(desk: Desk) -> None:
    """Between approval and effect its key is revoked: nothing is sent. Who signed may have been somebody else."""
    await desk.decide(approval())
    desk.ledger.tx_now(keys.revoke, key_id(key_of("olga").public), "olga", "the laptop is gone")
    await refused(desk, "was revoked by olga")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ((f'keys = ["{key_of("olga").public}"]', ""), "is no key of 'olga'"),
        (('[people.olga]\nroles = ["lead", "developer"]', '[people.olga]\nroles = ["developer"]'), "may not decide here"),
        (("[people.olga]", "[people.petra]"), "is no key of 'olga'"),
        (('[gates.change]\nwho = ["lead"]', '[gates.change]\nwho = ["otto"]'), "may not decide here"),
        (
            ('[gates.change]\nwho = ["lead"]', '[gates.change]\nrequester_may_approve = false\nwho = ["lead"]'),
            "asked for this run and may not approve it",
        ),
    ],
)
async def test_who_lost_the_right_meanwhile_moves_nothing(desk: Desk, changed: tuple[str, str], why: str) -> None:
    """Key, role, name or rule is another one by the policy in force when the action is carried out."""
    await desk.decide(approval())
    await refused(desk, why, policy(changed))


async def test_who_is_asked_after_the_deadline_may_have_approved(desk: Desk) -> None:
    """Those a gate escalates to count: otto is no developer, and is asked next."""
    gate = view("plan-1", verbs=("approve", "reject"))
    await desk.decide(approval("otto", gate), SIGNED, gate)
    assert (await desk.deliver()).state == "delivered"


async def test_claims_from_before_identity_was_signed_do_not_move_anything(desk: Desk) -> None:
    """Approved as a claim; then signatures are asked for. Under the policy of before it is executed."""
    await desk.decide(claim("olga", gate="change-1"), KNOWN)
    await refused(desk, "it is not signed, and identity is 'signed'")
    desk.ledger.tx_now(lambda connection: connection.execute(again("change-1")))
    assert (await desk.deliver(KNOWN)).state == "delivered"


async def test_a_signature_has_to_hold_whatever_identity_is(desk: Desk) -> None:
    """Where none is asked for, one that is there and was altered is a sign of forging all the same."""
    await desk.decide(approval(), KNOWN)
    desk.write("UPDATE decision SET note = 'as you like'")
    await refused(desk, "it is not what was signed", KNOWN)


async def test_two_people_have_to_have_signed(desk: Desk) -> None:
    """Four eyes: with one of the two rows changed, removed, or doubled by hand nothing is sent."""
    gate = GATE.model_copy(update={"approvals": 2})
    for by in ("olga", "otto"):
        await desk.decide(approval(by, gate), SIGNED, gate)
    kept = desk.ledger.read_now(lambda connection: connection.execute(decision.select()).mappings().all())
    assert len(kept) == 2

    def put_back(connection: Connection) -> None:
        connection.execute(decision.delete())
        connection.execute(decision.insert(), [dict(row) for row in kept])
        connection.execute(again("change-1"))

    for statement, why in (
        ("DELETE FROM decision WHERE by = 'olga'", "1 of 2 people have signed it"),
        ("UPDATE decision SET by = 'maria' WHERE by = 'olga'", "it is not what was signed"),
        ("UPDATE decision SET signature = '' WHERE by = 'olga'", "it is not signed"),
    ):
        desk.write(statement)
        await refused(desk, why)
        desk.ledger.tx_now(put_back)
    assert (await desk.deliver()).state == "delivered"


async def test_what_may_have_been_sent_before_is_unknown_and_not_rejected(desk: Desk) -> None:
    """An earlier attempt had begun: the target may have it, so a person decides, and nothing is sent again."""
    await desk.decide(approval())
    desk.write("UPDATE action SET state = 'sending', lease_until = 0, attempts = 1")
    desk.write("UPDATE decision SET note = 'as you like'")
    with pytest.raises(ApplicationError, match="it is not sent again: the approval at change-1 by olga") as error:
        await desk.deliver()
    assert (error.value.type, error.value.non_retryable, desk.target.has) == ("OutcomeUnknown", True, [])


async def test_a_policy_that_was_written_into_the_ledger_names_no_keys(desk: Desk) -> None:
    """Whoever writes the ledger can put a policy into force there: its keys count only where the worker's own file has them."""
    running = Standing(SIGNED, "policy.toml")
    desk.ledger.tx_now(running.take_up, "worker-1")
    mallorys = key_of("mallory").public
    for changed in (
        ((key_of("olga").public, mallorys),),
        (('identity = "signed"', 'identity = "any"'), (f'keys = ["{key_of("olga").public}"]', f'keys = ["{mallorys}"]')),
    ):
        forged = policy(*changed)
        nth = desk.ledger.read_now(policies.newest_number) + 1
        desk.ledger.tx_now(policies.add, nth, forged.digest, body_of(forged), "approved", "why not", "mallory")
        now = desk.ledger.read_now(running.now)
        assert (now.identity, now.keys_of("olga")) == ("signed", ())
    made = Claimed(verb="approve", decision=Decision(gate="change-1", by="olga", nonce="n"), at=NOW, via="signal")
    said = signed(made, GATE, ACTION, key="mallory")
    with pytest.raises(AssertionError, match="is no key of 'olga', by the policy in force and this worker's own file"):
        await desk.decide(said, running)  # type: ignore[arg-type]  # it has what a policy has here: `now`


SHOWN = {name: ALTERED[name] for name in ("other arguments", "another type", "another gate", "another run", "no gate")} | {
    "another event": "UPDATE action SET key = 'another'",
    "another digest of what identifies it": f"UPDATE action SET arguments_digest = '{'f' * 64}'",
    "another subject": ALTERED["another subject"],
    "another subject of the gate": f"UPDATE gate SET subject = '{'f' * 64}'",
    "moved to another gate": ALTERED["moved to another gate"],
    "no longer counts": ALTERED["no longer counts"],
    "counted and not won": ALTERED["counted and not won"],
    "refused": ALTERED["refused"],
    "a rejection": ALTERED["a rejection"],
    "an answer": "UPDATE decision SET verb = 'answer'",
    "of another run": "UPDATE decision SET trace = 'trace-2'",
    "nobody decided": ALTERED["gone"],
    "the gate is gone": ALTERED["the gate is gone"],
    "the gate of another run": "UPDATE gate SET trace = 'trace-2'",
    "the gate shows nothing": "UPDATE gate SET intents = '[]'",
    "the gate shows others": f"UPDATE gate SET intents = replace(intents, '{sha256(MEANT)}', '{sha256(OTHER)}')",
    "the gate shows another type": "UPDATE gate SET intents = replace(intents, 'git.push', 'note')",
    "other bytes": "UPDATE artifact SET body = CAST('{}' AS BLOB)",
    "no bytes": f"DELETE FROM artifact WHERE sha256 = '{sha256(MEANT)}'",
    "withdrawn": "UPDATE action SET state = 'expired'",
    "another adapter": "UPDATE action SET type = 'http.post'",
}
"""One change each between a good approval and its use, where nobody signs."""


@pytest.mark.parametrize("how", SHOWN)
async def test_what_changed_since_it_was_shown_is_not_executed(desk: Desk, how: str) -> None:
    """Without any signature: what is executed is what the gate has shown, and what somebody has approved there."""
    await desk.decide(claim("olga", gate="change-1"), KNOWN)
    desk.write(SHOWN[how])
    try:
        outcome = (await desk.deliver(KNOWN)).state
    except (ApplicationError, BatonError) as error:
        outcome = f"{type(error).__name__}: {error}"
    assert outcome != "delivered"
    assert desk.target.has == []


def test_there_are_many_changes() -> None:
    """As many as twenty points between approval and use."""
    assert len(SHOWN) >= 20


async def test_without_a_change_it_is_executed(desk: Desk) -> None:
    """The check of the check: nobody has signed it, and nobody has touched it."""
    await desk.decide(claim("olga", gate="change-1"), KNOWN)
    assert (await desk.deliver(KNOWN)).state == "delivered"
    assert desk.target.has == [MEANT]


@pytest.mark.parametrize(("tier", "state"), [("confirm", "rejected"), ("auto", "delivered")])
async def test_what_no_gate_has_shown_goes_by_its_run(desk: Desk, tier: Tier, state: str) -> None:
    """A row without a gate, as for what policy lets happen: the run has to have pinned that."""
    asked, began = begin()
    began = began.model_copy(update={"actions": {"git.push": tier}})
    desk.write("UPDATE run SET pins = :pins", pins=began.stored().decode())
    desk.ledger.tx_now(actions.propose, ACTION, trace=asked.run.trace, gate="", state="approved")
    assert (await desk.deliver(KNOWN)).state == state
