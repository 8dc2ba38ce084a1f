"""How it is known who decided: what the console has written down counts, and nothing that a decision says of itself."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from temporalio.testing import ActivityEnvironment

from activities.gates.approvals import Approvals
from activities.gates.gates import Gates
from activities.gates.policy import Policy
from activities.gates.signatures import NOT_SIGNED_IN, ONLY_A_LINK
from contracts.base import sha256
from contracts.errors import ContractViolation
from contracts.gates import Claimed, Decided, Decision, GatePolicy
from contracts.known import Known, Way
from ledger import artifacts, decision_outbox, feed, gates, runs
from ledger.db import Ledger
from ledger.tables import action, decision
from ledger.views.gates import decisions_of
from ledger.views.integrity import verified
from ledger.views.runs import find_run
from tests.keys import policy
from tests.ledger.samples import NOW, POLICY, admit, begin, intent, opening, view

ENVIRONMENT = ActivityEnvironment()
VIEW = view("change-1", kind="change")
ARGUMENTS = b"{}"
INTENT = intent().model_copy(update={"arguments": sha256(ARGUMENTS)})
SAID = {"gate": "change-1", "by": "olga", "note": "fine", "subject": VIEW.subject, "channel": "console", "nonce": "n1"}
KNOWN = policy(('identity = "signed"', 'identity = "known"'))
SIGNED_IN = policy(('identity = "signed"', 'identity = "signed-in"'))


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one run in it."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    opened.tx_now(runs.begin, *begin())
    opened.tx_now(artifacts.put, opened.files, ARGUMENTS)
    yield opened
    opened.close()


def claim(nth: int = 1, **changes: Any) -> Claimed:
    """What is sent: by any client, as a signal."""
    said = Decision.read_typed_by_people(SAID | changes)
    return Claimed(verb="approve", decision=said, at=NOW + timedelta(hours=nth), via="signal", nth=nth)


async def desk(ledger: Ledger, having: Policy, *ways: Way) -> Gates:
    """The activities, with the gate open and what the console has written down."""
    made = Gates(ledger, having)
    await ENVIRONMENT.run(made.open_gate, opening(VIEW, INTENT))
    for way in ways:
        ledger.tx_now(decision_outbox.put, VIEW.trace, "approve", SAID, way)
    return made


async def say(desk: Gates, said: Claimed, rule: GatePolicy = POLICY, **about: Any) -> Decided:
    """Have it checked."""
    request = admit(VIEW.model_copy(update=about), said).model_copy(update={"policy": rule})
    return await ENVIRONMENT.run(desk.admit_decision, request)


def problems(ledger: Ledger) -> list[str]:
    """What `baton verify` finds."""
    return ledger.read_now(lambda connection: verified(connection, ledger.files, find_run(connection, "trace-1")).problems)


def doubt(ledger: Ledger, having: Policy) -> str:
    """Why the executor does not send what was approved."""
    (row,) = ledger.read_now(lambda connection: connection.execute(select(action)).all())
    return ledger.read_now(Approvals(having).doubt, row, row.arguments)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("password", "signed in by password"),
        ("proxy", "signed in through the proxy"),
        ("link", "by a one-time link, which proves only the account that printed it"),
    ],
)
async def test_how_somebody_came_in_is_on_record(ledger: Ledger, way: Way, told: str) -> None:
    """In the decision, its feed line and the answer, for people and for programs; it is no signature. `verify` agrees."""
    outcome = await say(await desk(ledger, KNOWN, way), claim())
    assert (outcome.won, outcome.known, outcome.authenticated) == (True, way, False)
    (made,) = ledger.read_now(decisions_of, "trace-1")
    assert (made.known, made.identity, made.authenticated) == (way, f", {told}", False)
    line = ledger.read_now(feed.after)[-1]
    assert (line.actor, line.known, line.authenticated) == ("olga", way, False)
    assert problems(ledger) == []
    assert doubt(ledger, KNOWN) == ""


FORGED: dict[str, dict[str, Any]] = {
    "a channel of its own": {"channel": "password"},
    "no channel": {"channel": ""},
    "another client with the same id": {"channel": "cli"},
    "no such id": {"nonce": "n2"},
    "no id": {"nonce": None},
    "another person's name": {"by": "otto"},
    "another note": {"note": "fine, and more"},
    "another subject": {"subject": "f" * 64},
    "no subject": {"subject": None},
    "answers": {"answers": {"branch": "main"}},
    "an amount": {"to_usd": "40"},
    "a reference": {"reference": "signed in by password"},
    "another spelling of the channel": {"channel": "Console"},
}


async def test_what_is_forged_is_a_claim_at_most(ledger: Ledger) -> None:
    """Where people have to have signed in nothing of it counts, and the gate waits on; what they have decided does then."""
    made = await desk(ledger, SIGNED_IN, "password")
    for nth, (name, changes) in enumerate(FORGED.items(), 1):
        outcome = await say(made, claim(nth, **changes))
        assert (outcome.won, outcome.counts, outcome.known) == (False, False, ""), name
        assert outcome.reason == NOT_SIGNED_IN or "nobody has decided this" in outcome.reason, f"{name}: {outcome.reason}"
        assert ledger.read_now(feed.after)[-1].known == ""
    assert [one.gate for one in ledger.read_now(gates.open_gates)] == ["change-1"]
    outcome = await say(made, claim(len(FORGED) + 1))
    assert (outcome.won, outcome.known) == (True, "password"), outcome.reason


@pytest.mark.parametrize("name", ["a channel of its own", "no channel", "another client with the same id"])
async def test_where_a_claim_is_enough_it_is_recorded_as_one(ledger: Ledger, name: str) -> None:
    """It counts as what it is."""
    outcome = await say(await desk(ledger, KNOWN, "password"), claim(**FORGED[name]))
    assert (outcome.won, outcome.known) == (True, "")
    (made,) = ledger.read_now(decisions_of, "trace-1")
    assert made.identity == ", not authenticated"


def test_no_decision_says_itself_how_its_person_is_known() -> None:
    """There is no such field to send."""
    with pytest.raises(ContractViolation, match="known"):
        Decision.read_typed_by_people(SAID | {"known": "password"})


async def test_another_verb_and_another_gate_are_not_what_was_written_down(ledger: Ledger) -> None:
    """The same bytes, sent as something else."""
    made = await desk(ledger, SIGNED_IN, "password")
    other = claim().model_copy(update={"verb": "reject"})
    assert "nobody has decided this" in (await say(made, other)).reason
    second = VIEW.model_copy(update={"gate": "change-2"})
    await ENVIRONMENT.run(made.open_gate, opening(second))
    assert "nobody has decided this" in (await say(made, claim(2), gate="change-2")).reason


async def test_a_link_is_not_enough_where_people_have_to_have_signed_in(ledger: Ledger) -> None:
    """It proves only the account that printed it, and the reason says so."""
    outcome = await say(await desk(ledger, SIGNED_IN, "link"), claim())
    assert (outcome.won, outcome.reason) == (False, ONLY_A_LINK)


async def test_what_was_refused_stays_refused_when_somebody_else_sends_it_again(ledger: Ledger) -> None:
    """Also once the reason is gone: its person was told that it does not count."""
    made = await desk(ledger, SIGNED_IN, "password")
    strict = POLICY.model_copy(update={"who": ("otto",)})
    refused = await say(made, claim(1), strict)
    assert refused.reason == "'olga' may not decide here; policy allows otto"
    again = await say(made, claim(2))
    assert (again.won, again.reason) == (False, refused.reason)


async def test_a_claim_that_repeats_a_decision_gets_nothing_of_it(ledger: Ledger) -> None:
    """Sent again it counts once; the line of who only claims it says nothing of having signed in."""
    made = await desk(ledger, KNOWN, "password")
    assert (await say(made, claim(1))).known == "password"
    assert (await say(made, claim(2, channel="cli", nonce="other"))).won
    lines = [line for line in ledger.read_now(feed.after) if line.actor == "olga"]
    assert {(line.channel, line.known) for line in lines} == {("console", "password"), ("cli", "")}
    assert len(ledger.read_now(decisions_of, "trace-1")) == 1


async def test_after_a_reset_a_claim_does_not_bring_it_back(ledger: Ledger) -> None:
    """The decision of somebody who had signed in counts again if it is sent again itself, and not by who says the same."""
    made = Gates(ledger, KNOWN)
    await ENVIRONMENT.run(made.open_gate, opening(VIEW, INTENT, run_id="trace-1a"))
    ledger.tx_now(decision_outbox.put, VIEW.trace, "approve", SAID, "password")
    assert (await say(made, claim(1))).won
    await ENVIRONMENT.run(made.open_gate, opening(VIEW, INTENT, run_id="trace-1b"))
    forged = await say(made, claim(2, channel="cli", nonce="other"))
    assert (forged.won, forged.known) == (True, "")
    await ENVIRONMENT.run(made.open_gate, opening(VIEW, INTENT, run_id="trace-1c"))
    assert (await say(made, claim(1))).known == "password"


async def test_of_four_eyes_each_is_known_in_their_own_way(ledger: Ledger) -> None:
    """One who had signed in, and one who signed in as well; a claim is no second one."""
    made, two = await desk(ledger, SIGNED_IN, "password"), POLICY.model_copy(update={"approvals": 2})
    first = await say(made, claim(1), two)
    assert (first.counts, first.known) == (True, "password")
    assert not (await say(made, claim(2, by="otto", channel="cli", nonce="o")), two)[0].won
    otto = SAID | {"by": "otto", "nonce": "n2"}
    ledger.tx_now(decision_outbox.put, VIEW.trace, "approve", otto, "proxy")
    second = await say(made, claim(3, by="otto", nonce="n2"), two)
    assert (second.won, second.known, second.approved_by) == (True, "proxy", ("olga", "otto"))
    assert doubt(ledger, SIGNED_IN) == ""


ALTERED = {
    "how it is known": "UPDATE decision SET known = 'proxy'",
    "who": "UPDATE decision SET by = 'otto'",
    "its note": "UPDATE decision SET note = 'more'",
    "its id": "UPDATE decision SET nonce = 'n2'",
    "what the console had": "UPDATE decision_outbox SET way = 'link'",
    "whether it was sent": "UPDATE decision_outbox SET state = 'withdrawn'",
    "all of what the console had": "DELETE FROM decision_outbox",
}


@pytest.mark.parametrize("name", ALTERED)
async def test_what_one_hand_alters_later_is_found_and_not_executed(ledger: Ledger, name: str) -> None:
    """`verify` names it, and the executor sends nothing on it."""
    assert (await say(await desk(ledger, SIGNED_IN, "password"), claim())).won
    assert (problems(ledger), doubt(ledger, SIGNED_IN)) == ([], "")
    ledger.tx_now(lambda connection: connection.execute(text(ALTERED[name])))
    assert "console has written down no such decision" in " ".join(problems(ledger))
    assert "the console has written down no such decision" in doubt(ledger, SIGNED_IN)


async def test_a_claim_cannot_be_made_more_of_in_the_ledger(ledger: Ledger) -> None:
    """Neither by a row that says so, nor for an executor that asks for people who have signed in."""
    assert (await say(await desk(ledger, KNOWN), claim(channel="cli"))).won
    assert doubt(ledger, KNOWN) == ""
    assert "nobody has signed in" in doubt(ledger, SIGNED_IN)
    ledger.tx_now(lambda connection: connection.execute(decision.update().values(known="password")))
    assert len(problems(ledger)) == 2  # its seal, and what the console has
    assert "written down no such decision" in doubt(ledger, KNOWN)


def test_every_way_is_told() -> None:
    """No kind is left without words, and only signing in is called that."""
    ways: tuple[Known, ...] = ("", "link", "password", "proxy")
    row = {"gate": "g", "verb": "approve", "by": "olga", "note": "", "reference": "", "subject": "", "outcome": "won"}
    row |= {"reason": "", "via": "update", "channel": "console", "authenticated": False, "key": "", "at": NOW}
    from ledger.views.gates import Decision as Shown

    told = [dataclasses.replace(Shown(**row), known=way).identity for way in ways]  # type: ignore[arg-type]
    assert ["signed in" in one for one in told] == [False, False, True, True]
