"""What came from what, in the browser, and marking something as bad: on exactly what the preview has shown."""

import asyncio
import html
import re
from pathlib import Path

import pytest

from activities.gates import condemning
from activities.gates.policy import load_policy
from console.pages import provenance
from contracts.base import sha256
from contracts.runs import RunChange
from ledger import actions, condemnations, handoffs, runs
from ledger.db import Connection, Ledger
from ledger.views.condemned import standings
from tests import children
from tests.console.serving import Served, Signalled, Visitor, forms_of, served
from tests.ledger import samples
from tests.ledger.contents import begin
from tests.ledger.test_condemnations import RUNS, delivered, key
from tests.ledger.traced import SOURCE, traced

PREVIEW = f"/provenance/condemn?id={sha256(SOURCE)}"


@pytest.fixture
def made(ledger: Ledger) -> dict[str, str]:
    """Two runs that read one source; the id of each one's handoff."""
    for trace in RUNS:
        begin(ledger, trace)
    return {trace: ledger.tx_now(traced, ledger, trace, f"cents {trace}") for trace in RUNS}


def _state(ledger: Ledger, trace: str) -> str:
    return str(ledger.read_now(actions.get, key(trace)).state)


async def _post(visitor: Visitor, path: str, page: str, **fields: str) -> tuple[int, str]:
    answer = await visitor.post(path, **{"session": forms_of(page), **fields})
    return answer.status_code, html.unescape(answer.text)


def _digest(page: str) -> str:
    return page.split('name="digest" value="')[1].split('"')[0]


async def test_came_from_and_used_by_lead_on_and_say_how_far_it_has_got(console: Served, made: dict[str, str]) -> None:
    """From a file to what is out, and from there back to the file; each thing with links to read it and to its run."""
    console.ledger.tx_now(delivered, "trace-1")
    console.ledger.tx_now(runs.change, samples.ref("trace-1"), RunChange(state="done"))
    visitor = await console.signed_in()
    used = html.unescape((await visitor.get(f"/provenance?id={sha256(SOURCE)}")).text)
    assert f'href="/actions/{key("trace-1")}"' in used
    assert "its run is done; delivered by git.push" in used
    assert "draft: its run is admitted" in used
    assert 'href="/runs/trace-2/gates/plan-1"' in used
    came = html.unescape((await visitor.get(f"/provenance?id={key('trace-1')}")).text).split('id="used-by"')[0]
    assert came.index("action git.push: delivered") < came.index("handoff plan: plan/2") < came.index("shop/pricing.py")
    assert f'href="/read?id={made["trace-1"]}"' in came
    assert came.count("<ul") == came.count("</ul>")
    assert came.count("<li>") == came.count("</li>")


async def test_a_wide_graph_is_cut_and_says_how_much_is_left_out(
    console: Served, made: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that goes on."""

    def wide(connection: Connection) -> None:
        for number in range(40):
            handoffs.link(connection, sha256(f"child {number}".encode()), "derived", [made["trace-1"]])
            handoffs.link(connection, made["trace-1"], "derived", [sha256(f"parent {number}".encode())])

    console.ledger.tx_now(wide)
    monkeypatch.setattr(provenance, "CAME_FROM", 10)
    monkeypatch.setattr(provenance, "USED_BY", 5)
    visitor = await console.signed_in()
    path = f"/provenance?id={made['trace-1']}"
    page = html.unescape((await visitor.get(path)).text)
    document = (await visitor.get(path, accept="application/json")).json()
    shown, more = len(document["came_from"]), sum(one["more"] for one in document["came_from"])
    assert (shown <= 11, shown + more > 40, f"and {more} more that it came from" in page) == (True, True, True)
    assert f"baton why {made['trace-1']}" in page
    assert (len(document["used_by"]), f"{document['more_used_by']} more: look at one of these" in page) == (5, True)
    monkeypatch.setattr(provenance, "LOOKED_AT", 10)
    assert "There is more than was looked at" in (await visitor.get(path)).text


async def test_marking_as_bad_does_what_the_preview_has_shown(console: Served, made: dict[str, str]) -> None:
    """Nothing before the form is sent; then actions are held, and the open condemnation can be looked at and taken back."""
    del made
    console.ledger.tx_now(delivered, "trace-1")
    olga = await console.signed_in("olga")
    page = (await olga.get(PREVIEW)).text
    assert ("run <a" in page, "push trace-2" in page, "push trace-1" in page) == (True, True, True)
    assert (_state(console.ledger, "trace-2"), console.ledger.read_now(condemnations.anything)) == ("approved", False)
    status, text = await _post(olga, PREVIEW, page, digest=_digest(page), why="an old list")
    assert (status, _state(console.ledger, "trace-2")) == (303, "held"), text
    # The same form once more is the same condemnation.
    assert (await _post(olga, PREVIEW, page, digest=_digest(page), why="an old list"))[0] == 303
    (standing,) = console.ledger.read_now(standings, {})
    assert (standing.condemnation.by, standing.condemnation.why) == ("olga", "an old list")
    path = f"/provenance/condemned/{standing.condemnation.id}"
    assert path in (await olga.get("/provenance/condemned")).text
    assert f'href="{path}"' in (await olga.get(f"/provenance?id={sha256(SOURCE)}")).text
    erik = await console.signed_in("erik")
    status, text = await _post(erik, PREVIEW, page := (await erik.get(PREVIEW)).text, digest="", why="mine")
    assert (status, "condemned already, by olga" in text) == (409, True)
    page = (await erik.get(path)).text
    status, text = await _post(erik, f"{path}/undo", page, why="it was the right one")
    assert (status, _state(console.ledger, "trace-2")) == (303, "approved"), text
    assert "it was the right one" in (await erik.get(path)).text
    status, text = await _post(olga, f"{path}/undo", (await olga.get(path)).text, why="no")
    assert (status, "was undone before, by erik: it was the right one" in text) == (409, True)


async def test_a_preview_that_is_out_of_date_condemns_nothing(console: Served, made: dict[str, str]) -> None:
    """Something has left meanwhile, so more would have to be taken back than was shown; what only goes on changes nothing."""
    olga = await console.signed_in("olga")
    page = (await olga.get(PREVIEW)).text
    console.ledger.tx_now(handoffs.link, sha256(b"a later file"), "derived", [made["trace-1"]])
    assert _digest((await olga.get(PREVIEW)).text) == _digest(page)
    console.ledger.tx_now(delivered, "trace-1")
    status, text = await _post(olga, PREVIEW, page, digest=_digest(page), why="an old list")
    assert (status, "has changed since the preview" in text) == (409, True)
    assert (console.ledger.read_now(condemnations.anything), _state(console.ledger, "trace-2")) == (False, "approved")
    status, text = await _post(olga, PREVIEW, page, digest=_digest(text), why="  ")
    assert (status, "say why" in text, console.ledger.read_now(condemnations.anything)) == (409, True, False)


async def test_what_came_from_it_is_settled_one_by_one(console: Served, made: dict[str, str]) -> None:
    """What has happened is made good or stays; what is held is let happen. What somebody said before stands, and is told."""
    del made
    console.ledger.tx_now(delivered, "trace-1")
    done = console.ledger.tx_now(
        condemning.condemn, load_policy(Path("policy.toml")), [sha256(SOURCE)], "the list", "olga", "old"
    )
    path = f"/provenance/condemned/{done.standing.condemnation.id}"
    erik = await console.signed_in("erik")
    page = (await erik.get(path)).text
    assert ("Has happened already" in page, "Let it happen" in page, ">open<" in page) == (True, True, True)
    refused = await _post(erik, f"{path}/settle", page, key=key("trace-1"), how="never", why="x")
    assert (refused[0], "say what becomes of it" in refused[1]) == (409, True)
    assert (await _post(erik, f"{path}/settle", page, key=key("trace-1"), how="declined", why="unused"))[0] == 303
    assert (await _post(erik, f"{path}/settle", page, key=key("trace-2"), how="goes_on", why="it is right"))[0] == 303
    assert _state(console.ledger, "trace-2") == "approved"
    olga = await console.signed_in("olga")
    status, text = await _post(olga, f"{path}/settle", (await olga.get(path)).text, key=key("trace-1"), how="done", why="x")
    assert (status, "erik has said declined before: unused" in text) == (409, True)
    assert re.search(r"declined by erik: unused", (await olga.get(path)).text)
    assert (await _post(olga, f"{path}/propose", (await olga.get(path)).text))[0] == 303


async def test_runs_are_told_to_look_once_something_is_condemned(ledger: Ledger, made: dict[str, str]) -> None:
    """Each open run that it reaches, and no other; where Temporal does not answer at first, once it does."""
    begin(ledger, "trace-3")
    temporal = Signalled()
    async with served(ledger, connect=temporal.connect) as console:
        olga = await console.signed_in("olga")
        page = (await olga.get(PREVIEW)).text
        assert (await _post(olga, PREVIEW, page, digest=_digest(page), why="an old list"))[0] == 303
        async with asyncio.timeout(children.PATIENCE):
            told = {await temporal.told.get() for _ in made}
    assert told == {(f"delivery-{trace}", "condemned") for trace in RUNS}
    assert temporal.told.empty()
