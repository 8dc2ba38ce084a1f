"""Deciding while nobody answers: what is written down waits, can be taken back, and is nobody else's."""

import json
import re

import pytest

from activities.gates.from_console import NONE, proof
from console import saying
from contracts.gates import Claimed, Decision, GateView
from contracts.handoff import Question
from contracts.known import Way, told
from ledger import artifacts, decision_outbox, gates, policies, runs, signed_in
from ledger.db import Ledger
from tests.console.serving import Served, Visitor
from tests.ledger import samples

PATH = "/runs/trace-1/gates/plan-1"


@pytest.fixture(autouse=True)
def _do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying, "LOOKS", 0)


def _waits(ledger: Ledger, **changes: object) -> GateView:
    ledger.tx_now(runs.begin, *samples.begin())
    subject = ledger.tx_now(artifacts.put, ledger.files, b"a plan").digest
    view = samples.view(subject=subject, verbs=("approve", "reject", "request_changes"), **changes)
    ledger.tx_now(gates.open_gate, samples.opening(view))
    return view


async def test_what_nobody_answers_waits_is_sent_once_and_can_be_taken_back(console: Served) -> None:
    """The page says that it is not confirmed; the same form again is the same decision; after taking it back it can be made
    again, as another one."""
    olga, erik = await console.signed_in("olga"), await console.signed_in("erik")
    view = _waits(console.ledger)
    for _ in range(2):
        assert (await _send(olga, "approve", note="fine")).status_code == 303
    (first,) = console.ledger.read_now(decision_outbox.waiting)
    assert (first.by, first.verb, first.said["subject"], first.said["note"]) == ("olga", "approve", view.subject, "fine")
    page = (await olga.get(PATH)).text
    assert ("sent, not confirmed" in page, "nobody works now" in page, "<button>Withdraw</button>" in page) == (
        True,
        True,
        True,
    )
    assert "<button>Withdraw</button>" not in (await erik.get(PATH)).text
    assert (await _withdraw(erik, first.nonce)).status_code == 409
    assert (await _withdraw(olga, first.nonce)).status_code == 303
    assert "<b>withdrawn</b>" in (await olga.get(PATH)).text
    assert (await _withdraw(olga, first.nonce)).status_code == 409
    assert (await _send(olga, "approve", note="fine")).status_code == 303
    (second,) = console.ledger.read_now(decision_outbox.waiting)
    assert second.nonce != first.nonce
    assert console.ledger.read_now(proof, view, _claim(first.said)).refused == "'olga' has withdrawn it in the console"
    assert console.ledger.read_now(proof, view, _claim(second.said)).refused is None


@pytest.mark.parametrize(
    ("verb", "fields", "why"),
    [
        ("reject", {}, "say why"),
        ("request_changes", {"note": " "}, "say why"),
        ("approve", {}, "which: give an answer"),
        ("approve", {"subject": "0" * 64, "answer.which": "a"}, "something else than this page showed"),
        ("approve", {"subject": "", "answer.which": "a"}, "something else than this page showed"),
        ("raise_ceiling", {}, "takes approve, reject, request_changes, not raise_ceiling"),
        ("expired", {}, "nothing that can be said with a form"),
        ("", {}, "nothing that can be said with a form"),
        ("done", {}, "takes approve, reject, request_changes, not done"),
        ("reject", {"note": "x" * 9000}, "note"),
    ],
)
async def test_what_is_not_whole_is_refused_on_the_page_and_not_sent(
    console: Served, verb: str, fields: dict[str, str], why: str
) -> None:
    """With the reason, and the page with its forms to try again."""
    olga = await console.signed_in()
    _waits(console.ledger, questions=(Question(id="which", text="which one?", options=("a", "b")),))
    answer = await _send(olga, verb, **fields)
    assert (answer.status_code, why in answer.text, "<h2>Decide</h2>" in answer.text) == (409, True, True)
    assert console.ledger.read_now(decision_outbox.waiting) == []


async def test_nobody_decides_without_a_session_of_their_own(console: Served) -> None:
    """Not signed in, with the form of another session, from another site."""
    olga, erik = await console.signed_in("olga"), await console.signed_in("erik")
    _waits(console.ledger)
    form = await _form(erik)
    assert (await console.visitor().post(PATH, **form, verb="approve")).headers["location"] == "/sign-in"
    assert (await olga.post(PATH, **form, verb="approve")).status_code == 403
    assert (await erik.post(PATH, headers={"origin": "http://evil.example"}, **form, verb="approve")).status_code == 403
    assert (await olga.get(f"{PATH}?verb=approve")).status_code == 200
    assert (await olga.get(f"{PATH}/withdraw")).status_code == 405
    assert console.ledger.read_now(decision_outbox.waiting) == []
    assert (await erik.post(PATH, **form, verb="approve")).status_code == 303


@pytest.mark.parametrize(
    "changed", [{"by": "erik"}, {"gate": "plan-2"}, {"subject": "0" * 64}, {"nonce": "another"}, {"nonce": None}, {}], ids=str
)
def test_what_the_console_has_not_written_down_does_not_count_as_its_own(ledger: Ledger, changed: dict[str, str]) -> None:
    """Every field of it, and the verb; what comes by another channel is not asked."""
    view = _waits(ledger)
    said = {"gate": "plan-1", "by": "olga", "note": "", "subject": view.subject, "channel": "console", "nonce": "n1"}
    ledger.tx_now(decision_outbox.put, "trace-1", "approve", said, "password")
    verb = "reject" if not changed else "approve"
    claim = _claim(said | changed, verb)
    about = view.model_copy(update={"gate": claim.decision.gate})
    assert "nobody has decided this" in str(ledger.read_now(proof, about, claim).refused)
    assert ledger.read_now(proof, view, _claim(said | {"channel": "cli", "nonce": "x"})) == NONE


@pytest.mark.parametrize("way", ["password", "link"])
async def test_what_is_written_down_says_how_its_person_came_in(console: Served, way: Way) -> None:
    """The session says it, and no form can; the page tells it beside what was sent."""
    olga = console.visitor()
    _waits(console.ledger)
    olga.cookies["baton_console"] = console.ledger.tx_now(signed_in.begin, "olga", way)
    other = "link" if way == "password" else "password"
    assert (await _send(olga, "approve", way=other, known=other)).status_code == 303
    (sent,) = console.ledger.read_now(decision_outbox.waiting)
    assert (sent.way, sent.by, "known" in sent.said, "way" in sent.said) == (way, "olga", False, False)
    assert told(way) in (await olga.get(PATH)).text


async def test_where_people_have_to_have_signed_in_a_link_shows_no_forms(console: Served) -> None:
    """The page says why, and what to do."""
    _waits(console.ledger)
    body = json.dumps({"identity": "signed-in"})
    console.ledger.tx_now(policies.add, 1, "0" * 64, body, "found", "a test", "nobody")
    for way, there in (("link", False), ("password", True)):
        olga = console.visitor()
        olga.cookies["baton_console"] = console.ledger.tx_now(signed_in.begin, "olga", way)
        page = (await olga.get(PATH)).text
        assert ("<button>Approve</button>" in page, "proves only the account that printed it" in page) == (there, not there)


def test_of_an_answer_and_a_withdrawal_one_counts(ledger: Ledger) -> None:
    """Whichever is first, for ever."""
    said = {"gate": "plan-1", "by": "olga", "nonce": "n1"}
    ledger.tx_now(decision_outbox.put, "trace-1", "approve", said, "password")
    assert ledger.tx_now(decision_outbox.withdraw, "n1", "olga")
    assert not ledger.tx_now(decision_outbox.settle, "n1", "confirmed", "")
    ledger.tx_now(decision_outbox.put, "trace-1", "approve", said | {"nonce": "n2"}, "link")
    assert ledger.tx_now(decision_outbox.settle, "n2", "confirmed", "")
    assert not ledger.tx_now(decision_outbox.withdraw, "n2", "olga")
    assert not ledger.tx_now(decision_outbox.settle, "n2", "refused", "late")
    assert [one.state for one in ledger.read_now(decision_outbox.of_gate, "trace-1", "plan-1")] == ["confirmed", "withdrawn"]


def _claim(said: dict[str, object], verb: str = "approve") -> Claimed:
    return samples.claim("olga").model_copy(update={"verb": verb, "decision": Decision.model_validate(said)})


async def _form(visitor: Visitor) -> dict[str, str]:
    page = (await visitor.get(PATH)).text
    return {name: re.findall(f'name="{name}" value="([^"]*)"', page)[-1] for name in ("session", "subject")}


async def _send(visitor: Visitor, verb: str, **fields: str):  # type: ignore[no-untyped-def]
    return await visitor.post(PATH, **((await _form(visitor)) | {"verb": verb} | fields))


async def _withdraw(visitor: Visitor, nonce: str):  # type: ignore[no-untyped-def]
    return await visitor.post(f"{PATH}/withdraw", session=(await _form(visitor))["session"], nonce=nonce)
