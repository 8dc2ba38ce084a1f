"""Signed decisions at the gate: whatever is forged is refused and recorded, and what was signed counts, once."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from activities.gates.gates import Gates
from activities.gates.policy import Policy
from activities.gates.signatures import NOT_SIGNED
from contracts.gates import VERBS, Claimed, Decided, Decision, GateKind, GatePolicy, GateView, Verb
from contracts.intents import Intent
from contracts.keys import key_id, raw_signature, written
from contracts.signing import SignedDecision
from ledger import actions, feed, gates, keys, runs
from ledger.db import Ledger
from ledger.tables import decision as decisions
from tests.keys import key_of, policy, signed
from tests.ledger.samples import NOW, POLICY, admit, begin, intent, opening, view

ENVIRONMENT = ActivityEnvironment()
OTHER = "f" * 64


@dataclasses.dataclass(frozen=True)
class Case:
    """One decision that somebody means."""

    kind: GateKind
    verb: Verb
    by: str
    more: dict[str, Any]

    @property
    def view(self) -> GateView:
        """Its gate."""
        return view(f"{self.kind}-2", kind=self.kind, revision=2, verbs=VERBS[self.kind])

    @property
    def intents(self) -> tuple[Intent, ...]:
        """What rides on it."""
        return (intent(), intent("note", type="note")) if self.kind in ("change", "action") else ()

    def claim(self, nth: int = 1, **changes: Any) -> Claimed:
        """It as a claim, not signed. `nth` tells it from others that are the same."""
        said = {"gate": self.view.gate, "by": self.by, "nonce": f"{self.by}-{self.verb}", "note": "", **self.more, **changes}
        made = Decision.read_typed_by_people(said)
        return Claimed(verb=self.verb, decision=made, at=NOW + timedelta(hours=1), via="signal", nth=nth)


SAID: tuple[tuple[GateKind, Verb, dict[str, Any]], ...] = (
    ("plan", "approve", {}),
    ("plan", "reject", {"note": "no"}),
    ("change", "approve", {"note": "go", "channel": "web-ui"}),
    ("change", "request_changes", {"note": "smaller"}),
    ("action", "approve", {"subject": view().subject}),
    ("conflict", "approve", {"answers": {"branch": "main", "author": "olga"}}),
    ("clarify", "answer", {"answers": {"check": "pytest -q"}}),
    ("unknown", "happened", {}),
    ("unknown", "did_not_happen", {"note": "not there"}),
    ("unknown", "happened", {"reference": "msg-7"}),
    ("draft", "done", {"note": "merged", "reference": "PR 12"}),
    ("ceiling", "raise_ceiling", {"to_usd": "40"}),
)
CASES = [Case(kind, verb, by, more) for kind, verb, more in SAID for by in ("olga", "otto")]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.verb}-{case.by}")

Forged = Callable[[Case, int], Claimed]


def _elsewhere(**changes: Any) -> Forged:
    """Signed for a gate that differs in this, and sent to ours: a decision that is replayed there."""
    return lambda case, nth: signed(case.claim(nth), case.view.model_copy(update=changes), *case.intents)


def _altered(**changes: Any) -> Forged:
    """Signed, and altered on its way."""

    def forge(case: Case, nth: int) -> Claimed:
        made = signed(case.claim(nth), case.view, *case.intents)
        return made.model_copy(update={"decision": made.decision.model_copy(update=changes)})

    return forge


def _with(change: Callable[[str, bytes], tuple[str, bytes]]) -> Forged:
    """With this change of public key and signature."""

    def forge(case: Case, nth: int) -> Claimed:
        made = signed(case.claim(nth), case.view, *case.intents)
        public, raw = change(*raw_signature(made.decision.signature or ""))
        return made.model_copy(update={"decision": made.decision.model_copy(update={"signature": f"{public}:{written(raw)}"})})

    return forge


def _riding(*others: Intent) -> Forged:
    return lambda case, nth: signed(case.claim(nth), case.view, *others)


def _other_verb(case: Case, nth: int) -> Claimed:
    other: Verb = next(one for one in (*VERBS[case.kind], "stop") if one != case.verb)
    claim = case.claim(nth)
    made = signed(claim.model_copy(update={"verb": other}), case.view, *case.intents)
    return made.model_copy(update={"verb": claim.verb})


def _stolen_name(case: Case, nth: int) -> Claimed:
    made = signed(case.claim(nth, by="maria"), case.view, *case.intents)
    return made.model_copy(update={"decision": made.decision.model_copy(update={"by": case.by})})


def _bare(case: Case, nth: int) -> Claimed:
    """Signed without saying what kind of statement it is."""
    claim, key = case.claim(nth), key_of(case.by)
    statement = SignedDecision.of(case.view, case.intents, claim.verb, claim.decision)
    signature = f"{key.public}:{written(key.raw.sign(statement.stored()))}"
    return claim.model_copy(update={"decision": claim.decision.model_copy(update={"signature": signature})})


def _flipped(at: int) -> Forged:
    return _with(lambda public, raw: (public, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]))


FORGERIES: dict[str, Forged] = {
    "not signed": lambda case, nth: case.claim(nth),
    "another run": _elsewhere(trace="trace-2"),
    "another gate": _elsewhere(gate="other.plan-2"),
    "another kind": _elsewhere(kind="held"),
    "another revision": _elsewhere(revision=1),
    "another subject": _elsewhere(subject=OTHER),
    "more people": _elsewhere(approvals=2),
    "another verb": _other_verb,
    "another note": _altered(note="as you like"),
    "another answer": _altered(answers={"branch": "release", "author": "olga", "check": "true"}),
    "one more answer": _altered(answers={"branch": "main", "author": "olga", "check": "pytest -q", "more": "x"}),
    "another amount": _altered(to_usd=Decimal("400")),
    "another reference": _altered(reference="PR 13"),
    "another nonce": _altered(nonce="another"),
    "no nonce": lambda case, nth: signed(case.claim(nth, nonce=None), case.view, *case.intents),
    "an empty nonce": lambda case, nth: signed(case.claim(nth, nonce=""), case.view, *case.intents),
    "other arguments": _riding(intent(arguments="b")),
    "another event": _riding(intent("another"), intent("note", type="note")),
    "another type": _riding(intent(type="http.post"), intent("note", type="note")),
    "one more action": _riding(intent(), intent("note", type="note"), intent("more")),
    "somebody else's key": lambda case, nth: signed(case.claim(nth), case.view, *case.intents, key="maria"),
    "a stranger's key": lambda case, nth: signed(case.claim(nth), case.view, *case.intents, key="mallory"),
    "a revoked key": lambda case, nth: signed(case.claim(nth), case.view, *case.intents, key="otto, later"),
    "somebody else's name": _stolen_name,
    "the key of a name, a signature of another": _with(lambda _, raw: (key_of("olga").public, raw[::-1])),
    "nothing but zeros": _with(lambda public, _: (public, bytes(64))),
    "the first half": _with(lambda public, raw: (public, raw[:32] + bytes(32))),
    "the second half": _with(lambda public, raw: (public, bytes(32) + raw[32:])),
    "without what it is": _bare,
    **{f"byte {at}": _flipped(at) for at in (0, 31, 32, 63)},
}


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one run in it, and one key that was revoked."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    opened.tx_now(runs.begin, *begin())
    opened.tx_now(keys.revoke, key_id(key_of("otto, later").public), "otto", "the laptop is gone")
    yield opened
    opened.close()


async def opened(ledger: Ledger, case: Case, having: Policy | None = None) -> Gates:
    """The activities, with this case's gate open."""
    desk = Gates(ledger, having or policy())
    await ENVIRONMENT.run(desk.open_gate, opening(case.view, *case.intents))
    return desk


async def say(desk: Gates, case: Case, said: Claimed, rule: GatePolicy = POLICY) -> Decided:
    """Have it checked."""
    request = admit(case.view, said).model_copy(update={"policy": rule})
    return await ENVIRONMENT.run(desk.admit_decision, request)


def of(ledger: Ledger, outcome: str) -> list[Any]:
    """The decisions with this outcome."""
    query = select(decisions).where(decisions.c.outcome == outcome)
    return list(ledger.read_now(lambda connection: connection.execute(query).all()))


def _is_forged(case: Case, name: str) -> bool:
    """Where nothing rides on the gate, nothing else can ride on it."""
    return name not in ("other arguments", "another event", "another type") or bool(case.intents)


@each
async def test_what_is_forged_is_refused_and_recorded(ledger: Ledger, case: Case) -> None:
    """Each kind of forgery: refused with a reason, on record with the line in the feed, nothing approved; the gate waits on."""
    desk = await opened(ledger, case)
    forged = {name: forge for name, forge in FORGERIES.items() if _is_forged(case, name)}
    for nth, (name, forge) in enumerate(forged.items(), 1):
        outcome = await say(desk, case, forge(case, nth))
        assert (outcome.won, outcome.counts, outcome.authenticated) == (False, False, False), name
        assert outcome.reason.startswith(
            ("the signature is not of", "key ", "this decision is not signed", "a signed decision")
        ), f"{name}: {outcome.reason}"
        assert ledger.read_now(feed.after)[-1].why == outcome.reason
    assert [one.gate for one in ledger.read_now(gates.open_gates)] == [case.view.gate]
    assert ledger.read_now(actions.of_trace, "trace-1") == []
    assert len(of(ledger, "refused")) == len(forged)
    assert of(ledger, "won") == []
    # And it was for the forging alone: signed as it is meant, the same decision counts.
    outcome = await say(desk, case, signed(case.claim(len(forged) + 1), case.view, *case.intents))
    assert (outcome.won, outcome.authenticated, outcome.reason) == (True, True, ""), outcome.reason


@each
async def test_what_was_signed_is_kept_with_its_signature(ledger: Ledger, case: Case) -> None:
    """The row has what was signed and with which key; sent again it counts once, and its key's revocation comes too late."""
    desk, said = await opened(ledger, case), signed(case.claim(), case.view, *case.intents)
    assert (await say(desk, case, said)).won
    ledger.tx_now(keys.revoke, key_id(key_of(case.by).public), "root", "a new laptop")
    again = await say(desk, case, said)
    assert (again.won, again.by) == (True, case.by)
    (row,) = of(ledger, "won")
    assert (row.signature, bool(row.authenticated)) == (said.decision.signature, True)
    statement = SignedDecision.read(row.statement)
    assert (statement.verb, statement.reference, row.reference) == (case.verb, *[case.more.get("reference", "")] * 2)
    assert ledger.read_now(feed.after)[1].authenticated


def test_there_are_hundreds_of_forgeries() -> None:
    """No kind is left out by a slip."""
    assert sum(_is_forged(case, name) for case in CASES for name in FORGERIES) >= 500


async def test_a_signature_is_checked_wherever_there_is_one(ledger: Ledger) -> None:
    """Identity asks for none: a decision without one counts as a claim, a forged one is refused, a good one authenticated."""
    case, having = CASES[0], policy(('identity = "signed"', 'identity = "known"'))
    desk = await opened(ledger, case, having)
    assert not (await say(desk, case, FORGERIES["another note"](case, 1))).won
    outcome = await say(desk, case, signed(case.claim(2), case.view))
    assert (outcome.won, outcome.authenticated) == (True, True)
    other = Case("plan", "reject", "maria", {"note": "no"})
    desk = await opened(ledger, dataclasses.replace(other, kind="stuck"), having)
    outcome = await say(desk, dataclasses.replace(other, kind="stuck"), dataclasses.replace(other, kind="stuck").claim())
    assert (outcome.won, outcome.authenticated) == (True, False)


async def test_who_signs_is_somebody_and_may_not_do_everything(ledger: Ledger) -> None:
    """A good signature of somebody without the right is refused for that; so is a stranger's, whatever key it names."""
    case = dataclasses.replace(CASES[4], by="maria")
    desk, rule = await opened(ledger, case), policy().gate("action")
    outcome = await say(desk, case, signed(case.claim(1), case.view, *case.intents), rule)
    assert outcome.reason == "'maria' may not decide here; policy allows lead"
    case = dataclasses.replace(case, by="mallory")
    outcome = await say(desk, case, signed(case.claim(2), case.view, *case.intents), rule)
    assert outcome.reason == "'mallory' is not one of the people in policy.toml, and identity is 'signed'"


async def test_the_reason_says_what_to_do(ledger: Ledger) -> None:
    """Not signed: the option. Another key: whose. Revoked: by whom and why."""
    case = CASES[1]
    desk = await opened(ledger, case)
    assert (await say(desk, case, case.claim(1))).reason == NOT_SIGNED
    strange = (await say(desk, case, FORGERIES["a stranger's key"](case, 2))).reason
    assert f"key {key_id(key_of('mallory').public)} is no key of 'otto'" in strange
    assert "keys of [people.otto]" in strange
    revoked = (await say(desk, case, FORGERIES["a revoked key"](case, 3))).reason
    assert "was revoked by otto at " in revoked
    assert "(the laptop is gone)" in revoked


async def test_two_people_are_two_signatures(ledger: Ledger) -> None:
    """Four eyes: one signature is one person, whoever sends it how often; the second one decides."""
    case, rule = dataclasses.replace(CASES[4], by="olga"), POLICY.model_copy(update={"approvals": 2})
    shown = case.view.model_copy(update={"approvals": 2})
    desk = Gates(ledger, policy())
    await ENVIRONMENT.run(desk.open_gate, opening(shown, *case.intents))

    async def send(said: Claimed) -> Decided:
        return await ENVIRONMENT.run(desk.admit_decision, admit(shown, said).model_copy(update={"policy": rule}))

    first = signed(case.claim(1), shown, *case.intents)
    outcome = await send(first)
    assert (outcome.won, outcome.counts, outcome.authenticated) == (False, True, True)
    assert (await send(first)).counts
    posing = first.model_copy(update={"decision": first.decision.model_copy(update={"by": "otto"}), "nth": 2})
    assert not (await send(posing)).counts
    second = dataclasses.replace(case, by="otto")
    outcome = await send(signed(second.claim(3), shown, *case.intents))
    assert (outcome.won, outcome.approved_by) == (True, ("olga", "otto"))
    assert {row.by for row in (*of(ledger, "won"), *of(ledger, "counted")) if row.signature} == {"olga", "otto"}


HONEST = signed(CASES[0].claim(), CASES[0].view).decision.signature or ""
_, KEY, VALUE = HONEST.split(":")


@pytest.mark.parametrize(
    "written_so",
    [
        "",
        "none",
        HONEST[:-1],
        HONEST[:100],
        f"{HONEST}A",
        f"{HONEST} ",
        f"{HONEST}==",
        HONEST.replace("ed25519", "none"),
        HONEST.replace("ed25519", "rsa"),
        HONEST.replace("ed25519", "ED25519"),
        HONEST.replace("ed25519:", ""),
        f"ed25519:{KEY}",
        f"ed25519:{KEY}:",
        f"ed25519:{VALUE}:{KEY}",
        f"ed25519:{KEY}:{VALUE}:{VALUE}",
        f"ed25519:{KEY}:{VALUE[:-1]}{chr(ord(VALUE[-1]) + 1)}",  # spare bits: the same bytes, written in another way
        f"ed25519:{KEY}:{VALUE[:40]}!{VALUE[40:]}",
        f"ed25519:{KEY}:{VALUE[:40]}\n{VALUE[40:]}",
        f"ed25519:{KEY}:{'é' * 86}",
        f"ed25519:{KEY[:-1]}:{VALUE}",
    ],
)
def test_a_signature_is_written_in_one_way(written_so: str) -> None:
    """Another algorithm, cut off, longer, or the same bytes in other letters: refused as it is read, with what it should be."""
    from contracts.errors import Refused
    from workflows.kit.messages import read_decision

    with pytest.raises(Refused, match="signature: "):
        read_decision(({"gate": "plan-2", "by": "olga", "nonce": "n", "signature": written_so},))


def test_a_signature_that_is_right_is_read() -> None:
    """The check of the check: what was cut and altered above is taken as it was."""
    assert Decision(gate="plan-2", by="olga", signature=HONEST).signature == HONEST
