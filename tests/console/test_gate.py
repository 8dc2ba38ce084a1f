"""A gate's page: what has changed, what an approval lets happen, and the forms of every kind of gate."""

import html
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from activities.providers.schema import closed_schema
from console import saying
from contracts.actions import ActionTerms, GitPush
from contracts.agents import ANYBODY
from contracts.base import digest_of
from contracts.delivery.plan import Plan, PlanItem
from contracts.delivery.testing import TestNotes
from contracts.gates import GatePolicy, GateView
from contracts.hand_in import PATCH_LIMIT
from contracts.handoff import Answer, Question
from contracts.intents import Intent
from contracts.money import CeilingRefused
from contracts.repositories import Workspace, WorkspaceRef
from contracts.work import Work, WorkSheet
from ledger import artifacts, decision_outbox, gates, policies, runs
from ledger.db import Ledger
from ledger.handed_in import patch_of
from ledger.tables import artifact
from tests.console.serving import Served, Visitor
from tests.ledger import samples

REVIEW = ("approve", "reject", "request_changes")
PATCH = b"""diff --git a/shop/pricing.py b/shop/pricing.py
--- a/shop/pricing.py
+++ b/shop/pricing.py
@@ -4,3 +4,3 @@ def price():
 before
-    return int(cents)
+    return %s
 after
"""


@pytest.fixture(autouse=True)
def _do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying, "LOOKS", 0)


async def test_a_new_plan_says_what_differs_from_the_last_and_an_old_page_is_told_too(console: Served) -> None:
    """From the bytes of both; somebody who sends the old page's form is told who was faster, when, and what has changed."""
    olga, erik = await console.signed_in("olga"), await console.signed_in("erik")
    first = _plan_gate(console.ledger, "plan-1", _plan("round down"))
    old = await _form(erik, first)
    won = samples.claim("olga", "request_changes", note="round up")
    console.ledger.tx_now(gates.win, samples.admit(first, won), won, authenticated=False)
    second = _plan_gate(console.ledger, "plan-2", _plan("round half up"), revision=2)
    page = await _page(olga, second)
    assert "What has changed since plan-1" in page
    assert '<span class="removed">-fix: round down' in page
    assert '<span class="added">+fix: round half up' in page
    assert "What has changed" not in await _page(olga, first)
    answer = await erik.post(_path(first), **old, verb="approve")
    told = html.unescape(answer.text)
    assert answer.status_code == 409
    assert "gate plan-1 is closed: request_changes by olga at 2026-11-20 13:00 UTC" in told
    assert "It has changed since you opened it" in told
    assert "This is how plan-2 differs from what you had opened" in told
    assert '<span class="added">+fix: round half up' in told
    assert f'href="/runs/trace-1/gates/{second.gate}"' in told
    assert console.ledger.read_now(decision_outbox.waiting) == []


async def test_a_new_change_says_what_it_does_otherwise(console: Served) -> None:
    """File by file, from the patches of both revisions; where the earlier bytes are gone the page says so."""
    olga = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    _change_gate(console.ledger, "change-1", PATCH % b"round(cents)", state="request_changes")
    second = _change_gate(console.ledger, "change-2", PATCH % b"half_up(cents)", revision=2)
    page = await _page(olga, second)
    assert "What has changed since change-1" in page
    assert "\\ shop/pricing.py: changed otherwise" in page
    assert '<span class="removed">-+    return round(cents)' in page
    assert '<span class="added">++    return half_up(cents)' in page
    lost = console.ledger.read_now(gates.find, "trace-1", "change-1")[0].subject
    console.ledger.tx_now(
        lambda connection: connection.execute(update(artifact).where(artifact.c.sha256 == lost).values(body=None))
    )
    page = html.unescape(await _page(olga, second))
    assert "What has changed since the revision before" in page
    assert "It cannot be shown: " in page


async def test_a_gate_that_was_opened_again_about_something_else_says_what_to_whoever_saw_the_first(console: Served) -> None:
    """As after a reset: same gate, other bytes. Bytes that were never shown in this run are compared with nothing."""
    olga = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    first = _open(console.ledger, "plan-1", _plan("round down"), run_id="run-1")
    old = await _form(olga, first)
    _open(console.ledger, "plan-1", _plan("round up"), run_id="run-2", opened_at=samples.NOW + timedelta(days=1))
    answer = await olga.post(_path(first), **old, verb="approve")
    told = html.unescape(answer.text)
    assert (answer.status_code, "it changed since you opened it" in told) == (409, True)
    assert '<span class="removed">-fix: round down' in told
    assert '<span class="added">+fix: round up' in told
    other = console.ledger.tx_now(artifacts.put, console.ledger.files, _plan("secret of another run")).digest
    told = (await olga.post(_path(first), **(old | {"subject": other}), verb="approve")).text
    assert ("something else than this page showed" in told, "secret of another run" in told) == (True, False)


async def test_words_about_a_line_go_with_its_place_and_only_places_that_were_shown_count(console: Served) -> None:
    """Each line of the diff has a place that can be chosen; what is refused keeps what was typed."""
    olga = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    view = _change_gate(console.ledger, "change-1", PATCH % b"round(cents)")
    page = await _page(olga, view)
    assert 'data-place="shop/pricing.py:-5" data-line="-5">-    return int(cents)' in page
    assert 'data-place="shop/pricing.py:5" data-line="5">+    return round(cents)' in page
    assert page.count("<option>shop/pricing.py:5</option>") == 3
    for place, text, why in (
        ("shop/pricing.py:99", "x", "is no place of what change-1 shows"),
        ("", "somewhere", "'somewhere' names no place"),
        ("shop/pricing.py:5", " ", "shop/pricing.py:5: say what should be different there"),
    ):
        refused = await _send(olga, view, "request_changes", **{"place.2": place, "remark.2": text, "note": "kept words"})
        told = html.unescape(refused.text)
        assert (refused.status_code, why in told, "kept words</textarea>" in told) == (409, True, True), place
    remarks = {
        "place.1": "shop/pricing.py:5",
        "remark.1": "half up\r\nas agreed",
        "place.3": "shop/pricing.py:-5",
        "remark.3": "keep",
    }
    assert (await _send(olga, view, "request_changes", **remarks)).status_code == 303
    (sent,) = console.ledger.read_now(decision_outbox.waiting)
    assert sent.said["note"] == "at shop/pricing.py:5: half up\nas agreed\nat shop/pricing.py:-5: keep"


async def test_what_an_approval_lets_happen_is_said_from_what_is_bound_to_it(console: Served) -> None:
    """Its actions with tier, whether they can be taken back, and who is accountable; what else the run may want later."""
    olga = await console.signed_in()
    terms = ActionTerms(tier="confirm", reversible="no", accountable="owner")
    asked, began = samples.begin()
    later = {"git.push": "confirm", "http.post": "auto"}
    console.ledger.tx_now(runs.begin, asked, began.model_copy(update={"actions": later, "terms": {"git.push": terms}}))
    view = _change_gate(
        console.ledger, "change-1", PATCH % b"1", samples.intent(summary="push it to main"), narrative="I only look"
    )
    page = html.unescape(await _page(olga, view))
    assert "<b>git.push</b>: push it to main. It is done by Baton once this is approved (tier confirm)" in page
    assert "can be undone: no; accountable: owner (olga)" in page
    assert "later, if the run wants it: http.post: without asking anybody again" in page
    assert "Nothing leaves Baton" not in page
    plan = _plan_gate(console.ledger, "plan-1", _plan("round"), began=False, approvals=2)
    page = html.unescape(await _page(olga, plan))
    assert "It takes 2 more approvals" in page
    assert "1 item is written, each in a workspace of its own: fix (shop/pricing.py)" in page
    assert "Nothing leaves Baton by this approval alone" in page


async def test_a_ceiling_is_raised_within_its_bounds(console: Served) -> None:
    """The bounds are shown; what the run or policy would refuse is refused here; a shared ceiling has another form."""
    olga = await console.signed_in()
    asked, began = samples.begin()
    rule = GatePolicy(who=("*",), deadline=timedelta(days=1), most_usd=Decimal(50))
    console.ledger.tx_now(runs.begin, asked, began.model_copy(update={"gates": {"ceiling": rule}}))
    refused = CeilingRefused(scope="run:trace-1", ceiling=5_000_000, spent=4_000_000, wanted=2_000_000)
    view = _open(console.ledger, "ceiling-1", b"money", kind="ceiling", verbs=("raise_ceiling", "stop"), ceiling=refused)
    page = html.unescape(await _page(olga, view))
    assert "above $5.00, the ceiling now; the call that was refused needs $6.00; policy allows at most $50" in page
    for amount, why in (
        ("", "is no amount"),
        ("1e3", "is no amount"),
        ("5", "is not above that"),
        ("51", "policy allows a run at most $50"),
    ):
        answer = await _send(olga, view, "raise_ceiling", to_usd=amount, note="needed")
        assert (answer.status_code, why in html.unescape(answer.text)) == (409, True), amount
    assert "say why" in (await _send(olga, view, "raise_ceiling", to_usd="8")).text
    assert (await _send(olga, view, "raise_ceiling", to_usd="8.50", note="needed")).status_code == 303
    (sent,) = console.ledger.read_now(decision_outbox.waiting)
    assert (sent.verb, sent.said["to_usd"], sent.said["note"]) == ("raise_ceiling", "8.50", "needed")
    month = refused.model_copy(update={"scope": "month:2026-11"})
    shared = _open(
        console.ledger, "ceiling-2", b"more", kind="ceiling", verbs=("raise_ceiling", "stop"), ceiling=month, revision=2
    )
    page = await _page(olga, shared)
    assert ('value="raise_ceiling"' in page, 'value="stop"' in page, "baton budget raise month:2026-11" in page) == (
        False,
        True,
        True,
    )


async def test_questions_have_choices_and_words_of_ones_own(console: Served) -> None:
    """What is written counts instead of what is chosen."""
    olga = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    both = (Question(id="which", text="which one?", options=("a", "b")), Question(id="why", text="why?"))
    view = _open(console.ledger, "clarify-1", b"ask", kind="clarify", verbs=("answer",), questions=both)
    page = await _page(olga, view)
    assert '<option value="a">a</option>' in page
    assert "which: give an answer" in (await _send(olga, view, "answer", **{"answer.why": "so"})).text
    given = {"answer.which": "a", "other.which": "neither", "answer.why": "so\r\nit is"}
    assert (await _send(olga, view, "answer", **given)).status_code == 303
    (sent,) = console.ledger.read_now(decision_outbox.waiting)
    assert sent.said["answers"] == {"which": "neither", "why": "so\nit is"}


async def test_a_step_of_an_agent_is_handed_in_with_a_form(console: Served) -> None:
    """Its fields are those of the contract, and it is held to what `baton answer` is held to; what was typed is kept."""
    olga = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    view = _work_gate(console.ledger)
    page = await _page(olga, view)
    names = set(re.findall(r'name="(made[^"]*)"', page))
    assert names == {
        *("made.outcome", "made.reason", "made.confidence", "made.questions", "made.claims"),
        *("made.body.there", "made.body.summary", "made.body.tried"),
    }
    order = [
        page.index(f'name="made.{name}"') for name in ("outcome", "reason", "confidence", "questions", "claims", "body.summary")
    ]
    assert order == sorted(order), "as the contract declares them"
    assert 'name="made.body.summary" rows="2">' in page, "it may stay empty where there is no result"
    made = {"made.outcome": "done", "made.reason": "", "made.confidence": "900", "made.questions": "[]", "made.claims": "[]"}
    made |= {"made.body.there": "1", "made.body.summary": "looked & tried", "made.body.tried": "one\r\n\r\ntwo"}
    for changed, why in (
        ({"made.confidence": "sure"}, "confidence: 'sure' is no whole number"),
        ({"made.confidence": "2000"}, "it does not fit test_notes/1: confidence"),
        ({"made.outcome": "maybe"}, "outcome: 'maybe' is none of done, unsure, could_not"),
        ({"made.claims": "[{"}, "claims is not JSON"),
        ({"made.body.summary": ""}, "it does not fit test_notes/1: body.summary"),
    ):
        answer = await _send(olga, view, "answer", **(made | changed))
        told = html.unescape(answer.text)
        assert (answer.status_code, why in told, "one\r\n\r\ntwo</textarea>" in told or "one\n\ntwo</textarea>" in told) == (
            409,
            True,
            True,
        ), why
    assert (await _send(olga, view, "answer", **made)).status_code == 303
    could_not = made | {"made.outcome": "could_not", "made.reason": "no time"}
    assert (await _send(olga, view, "answer", **could_not)).status_code == 303
    late, sent = sorted(console.ledger.read_now(decision_outbox.waiting), key=lambda one: str(one.said["made"]["outcome"]))
    assert sent.said["made"]["body"] == {"summary": "looked & tried", "tried": ["one", "two"]}
    assert (sent.said["made"]["confidence"], late.said["made"]["body"]) == (900, None)


async def test_a_large_patch_is_sent_from_the_form(console: Served) -> None:
    """300 KiB are stored, and the decision names them; a patch above the limit is refused with what to do, so is a form
    that is longer than any patch takes. Other forms are as short as before."""
    olga = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    view = _work_gate(console.ledger, Workspace(name="w", ref=WorkspaceRef(repository="r", base="b"), access="write"))
    made = {"made.outcome": "could_not", "made.reason": "half", "made.confidence": "1", "made.questions": "[]"}
    made |= {"made.claims": "[]", "made.body.summary": "", "made.body.tried": ""}
    patch = "+é & more\n" * (30 * 1024)
    long = await _send(olga, view, "answer", **made, patch="x" * (PATCH_LIMIT + 1))
    assert (long.status_code, f"the limit is {PATCH_LIMIT}: hand in a part of it" in html.unescape(long.text)) == (409, True)
    assert (await _send(olga, view, "answer", **made, patch="é" * PATCH_LIMIT)).status_code == 413
    assert (await olga.post("/sign-out", note="x" * 70_000)).status_code == 413
    assert (await _send(olga, view, "answer", **made, patch=patch.replace("\n", "\r\n"))).status_code == 303
    (sent,) = console.ledger.read_now(decision_outbox.waiting)
    assert console.ledger.read_now(patch_of, console.ledger.files, view, sent.said["patch"]) == patch
    assert sent.said["patch"].startswith("artifact:")


async def test_where_decisions_have_to_be_signed_the_page_has_the_commands_and_no_form(console: Served) -> None:
    """Each for exactly what the page shows and for who looks: the key is not the console's."""
    olga = await console.signed_in()
    view = _plan_gate(console.ledger, "plan-1", _plan("round"))
    body = json.dumps({"identity": "signed"})
    console.ledger.tx_now(policies.add, 1, digest_of("p"), body, "found", "", "")
    page = html.unescape(await _page(olga, view))
    assert "<h2>Decide</h2>" not in page
    assert f'baton approve delivery-trace-1 plan-1 -m "why" --subject {view.subject} --by olga --sign' in page


async def test_a_draft_is_reported_with_its_reference(console: Served) -> None:
    """Done, with the target's own id for it, or declined."""
    olga = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    view = _open(console.ledger, "draft-1", b"do it", kind="draft", verbs=("done", "declined"))
    assert (await _send(olga, view, "done", reference="T-1")).status_code == 303
    (sent,) = console.ledger.read_now(decision_outbox.waiting)
    assert (sent.verb, sent.said["reference"]) == ("done", "T-1")


def _plan(intent: str) -> bytes:
    parts = {"id": "fix", "intent": intent, "files": ["shop/pricing.py"], "settings": [], "depends_on": []}
    item = PlanItem.model_validate(parts | {"acceptance": [{"text": "it is right", "shown_by": None}]})
    return Plan(summary="prices", items=(item,), risks=(), check=None).stored()


def _plan_gate(ledger: Ledger, name: str, plan: bytes, *, began: bool = True, **changes: Any) -> GateView:
    if began:
        ledger.tx_now(runs.begin, *samples.begin())
    return _open(ledger, name, plan, **changes)


def _change_gate(ledger: Ledger, name: str, patch: bytes, *intents: Intent, state: str = "open", **changes: Any) -> GateView:
    kept = ledger.tx_now(artifacts.put, ledger.files, patch).digest
    fixed = {"repository": "/r", "base": "1" * 40, "tree": "2" * 40, "branch": "b", "message": "m"}
    view = _open(ledger, name, GitPush(**fixed, patch=kept).stored(), *intents, kind="change", **changes)
    if state != "open":
        ledger.tx_now(gates.close, "trace-1", name, state)
    return view


def _work_gate(ledger: Ledger, files: Workspace | None = None) -> GateView:
    form = closed_schema(Answer[TestNotes])
    sheet = WorkSheet(agent="tester@v1", instructions="try it", messages=(), form=form)
    kept = ledger.tx_now(artifacts.put, ledger.files, sheet.stored()).digest
    work = Work(agent="tester@v1", path="test", returns="test_notes/1", turn=digest_of("turn"), sheet=kept, who=ANYBODY)
    work = work.model_copy(update={"workspace": files})
    return _open(ledger, "work-1", work.stored(), kind="work", verbs=("answer",), work=work)


def _open(ledger: Ledger, name: str, subject: bytes, *intents: Intent, run_id: str = "", **changes: Any) -> GateView:
    """An open gate about these bytes."""
    kept = ledger.tx_now(artifacts.put, ledger.files, subject).digest
    view = samples.view(name, subject=kept, **({"verbs": REVIEW} | changes))
    ledger.tx_now(gates.open_gate, samples.opening(view, *intents, run_id=run_id))
    return view


def _path(view: GateView) -> str:
    return f"/runs/{view.trace}/gates/{view.gate}"


async def _page(visitor: Visitor, view: GateView) -> str:
    return (await visitor.get(_path(view))).text


async def _form(visitor: Visitor, view: GateView) -> dict[str, str]:
    page = await _page(visitor, view)
    return {name: re.findall(f'name="{name}" value="([^"]*)"', page)[-1] for name in ("session", "subject")}


async def _send(visitor: Visitor, view: GateView, verb: str, **fields: str):  # type: ignore[no-untyped-def]
    return await visitor.post(_path(view), **((await _form(visitor, view)) | {"verb": verb} | fields))
