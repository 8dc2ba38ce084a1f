"""What operators do with actions in the browser: on what the page has shown, once, with a reason."""

import html
from pathlib import Path

import pytest

from activities.actions import operating
from activities.gates import condemning
from activities.gates.policy import load_policy
from contracts.base import digest_of
from ledger import actions, condemnations, proposals
from ledger.db import Ledger
from ledger.views.actions import named
from tests.console.filled import acts
from tests.console.serving import Served, Visitor, forms_of
from tests.ledger import samples
from tests.ledger.contents import begin


async def _do(visitor: Visitor, key: str, verb: str, version: str | None = None, **fields: str) -> tuple[int, str]:
    """Send a form of the action's page as it is now, or as it was at a version; the answer's status and its words."""
    page = await visitor.get(f"/actions/{key}")
    shown = page.text.split('name="version" value="')[-1].split('"')[0] if version is None else version
    answer = await visitor.post(f"/actions/{key}/{verb}", **{"session": forms_of(page.text), "version": shown, **fields})
    return answer.status_code, html.unescape(answer.text)


def _state(ledger: Ledger, key: str) -> str:
    return str(ledger.read_now(actions.get, key).state)


@pytest.mark.parametrize(
    ("before", "verb", "fields", "after"),
    [
        ("dead", "retry", {}, "approved"),
        ("dead", "abandon", {}, "declined"),
        ("unknown", "settle", {"happened": "yes", "reference": "msg-1"}, "delivered"),
        ("unknown", "settle", {"happened": "no"}, "failed"),
        ("unknown", "retry", {}, "sending"),
        ("held", "abandon", {}, "declined"),
        ("approved", "abandon", {}, "declined"),
    ],
)
async def test_what_a_form_says_is_done_and_told(
    console: Served, before: str, verb: str, fields: dict[str, str], after: str
) -> None:
    """By the very functions of `baton actions`: state, reason and who stand in the ledger and on the page."""
    begin(console.ledger)
    key, olga = acts(console.ledger, "push", before), await console.signed_in("olga")
    page = (await olga.get(f"/actions/{key}")).text
    assert f'action="/actions/{key}/{verb}"' in page
    status, _ = await _do(olga, key, verb, why="the target was asked", **fields)
    assert (status, _state(console.ledger, key)) == (303, after)
    page = (await olga.get(f"/actions/{key}")).text
    assert ("olga" in page, "the target was asked" in page) == (True, True)
    if reference := fields.get("reference"):
        assert reference in page


@pytest.mark.parametrize(
    ("verb", "fields", "why"),
    [
        ("retry", {"why": " "}, "say why"),
        ("retry", {"why": "x", "version": "dead/1"}, "has changed since this was shown: it is dead now"),
        ("settle", {"why": "x"}, "say whether it happened"),
        ("settle", {"why": "x", "happened": "no", "reference": "a"}, "a reference is the target's id"),
        ("settle", {"why": "x", "happened": "yes"}, "whether it happened is known"),
        ("decline", {"why": "x"}, "not proposed any more"),
    ],
)
async def test_what_is_not_whole_or_not_possible_is_refused_with_the_reason(
    console: Served, verb: str, fields: dict[str, str], why: str
) -> None:
    """And changes nothing."""
    begin(console.ledger)
    key, olga = acts(console.ledger, "push", "dead"), await console.signed_in()
    status, text = await _do(olga, key, verb, **fields)
    assert (status, why in text, _state(console.ledger, key)) == (409, True, "dead"), text


async def test_of_two_who_settle_one_counts_and_the_other_is_told(console: Served) -> None:
    """Also where what the second one wants would still be possible: the page did not show what it is about."""
    begin(console.ledger)
    olga, erik = await console.signed_in("olga"), await console.signed_in("erik")
    key = acts(console.ledger, "push", "unknown")
    seen = console.ledger.read_now(named, key).version
    assert (await _do(olga, key, "settle", seen, happened="yes", why="the mail is there"))[0] == 303
    status, text = await _do(erik, key, "settle", seen, happened="no", why="I saw nothing")
    assert (status, _state(console.ledger, key)) == (409, "delivered")
    assert "it is delivered now; the last word is olga's" in text
    assert "olga found that it happened: the mail is there" in text
    dead = acts(console.ledger, "other", "dead")
    seen = console.ledger.read_now(named, dead).version
    console.ledger.tx_now(operating.retry, dead, "olga", "it is up again")
    status, text = await _do(erik, dead, "abandon", seen, why="never mind")
    assert (status, _state(console.ledger, dead), "it is up again" in text) == (409, "approved", True)


async def test_a_proposal_is_declined_by_whoever_may(console: Served) -> None:
    """It is settled with that; nothing is left to be done on its page."""
    begin(console.ledger)
    undone, wanted = acts(console.ledger, "push", "delivered"), samples.intent("revert", "b", summary="take it back")
    policy = load_policy(Path("policy.toml"))
    console.ledger.tx_now(condemning.condemn, policy, [digest_of("a source")], "it", "olga", "wrong")
    console.ledger.tx_now(proposals.put, console.ledger.files, wanted, b"{}", undone)
    olga = await console.signed_in("olga")
    assert "a person starts it" in (await olga.get("/actions")).text
    status, text = await _do(olga, wanted.key, "decline", why="it may stay")
    assert (status, _state(console.ledger, wanted.key)) == (303, "declined"), text
    page = (await olga.get(f"/actions/{wanted.key}")).text
    assert ("Nothing is to be done with it now" in page, "it may stay" in page) == (True, True)
    assert console.ledger.read_now(condemnations.anything)


async def test_the_list_says_what_each_waits_for_and_counts_what_it_leaves_out(
    console: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it waits for, the most urgent first; of one run; and whether any worker takes what is left to the relay."""
    from console.pages import actions as page_of

    begin(console.ledger)
    olga = await console.signed_in()
    assert "No action is left to do" in (await olga.get("/actions")).text
    for number in range(3):
        acts(console.ledger, f"push {number}", "dead")
    acts(console.ledger, "mail", "unknown")
    monkeypatch.setattr(page_of, "LISTED", 2)
    page = (await olga.get("/actions?settled=1")).text
    assert page.index("Nobody knows whether it happened (1)") < page.index("Dead letters: tried and given up (3)")
    assert ("1 more, changed longer ago" in page, "retry or abandon" in page) == (True, True)
    assert "No worker carries out what is left to the relay" in page
    assert "Dead letters" in (await olga.get("/actions?run=trace-1")).text
    begin(console.ledger, "trace-2")
    assert "No action is left to do in this run" in (await olga.get("/actions?run=trace-2")).text
