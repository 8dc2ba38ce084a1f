"""What the pages say, and that nothing which others wrote does anything in them."""

import asyncio
import html
import json
import re

import pytest

from console import answers, live
from contracts.errors import LedgerUnavailable
from ledger import feed, runs, workers
from tests import children
from tests.console.filled import HOSTILE, PATHS, waits, works
from tests.console.serving import Served, Visitor
from tests.ledger import samples


async def test_needs_you_says_what_waits_and_how_it_is_decided(console: Served) -> None:
    """The operator's first page; without a gate it says that nothing waits."""
    visitor = await console.signed_in()
    assert "Nothing waits for a person" in (await visitor.get("/")).text
    waits(console.ledger)
    page = (await visitor.get("/")).text
    assert 'href="/runs/trace-1/gates/plan-1"' in page
    assert "baton approve delivery-trace-1 plan-1" in html.unescape(page)


async def test_every_page_says_that_nobody_works_as_long_as_it_is_so(console: Served) -> None:
    """By the heartbeats in the ledger."""
    visitor = await console.signed_in()
    waits(console.ledger)
    assert ["Nobody works." in (await visitor.get(path)).text for path in PATHS] == [True] * len(PATHS)
    works(console.ledger)
    assert ["Nobody works." in (await visitor.get(path)).text for path in PATHS] == [False] * len(PATHS)
    console.ledger.tx_now(workers.stopped, "host:1")
    assert ["Nobody works." in (await visitor.get(path)).text for path in PATHS] == [True] * len(PATHS)


async def test_words_of_others_are_only_words(console: Served) -> None:
    """In every place where an agent, a repository or a person may write: no markup, nothing hidden, nothing turned around."""
    visitor = await console.signed_in()
    waits(console.ledger, HOSTILE)
    for path in PATHS:
        page = (await visitor.get(path)).text
        assert "owned" in page, f"the words are not shown at all on {path}"
        assert "&lt;script&gt;" in page, path
        for raw in ("<script>document", "<img", "<b>approved", '<p class="sent">approved', "\x1b", "\u202e", "\u200b", ">49<"):
            assert raw not in page, (path, raw)


async def test_words_that_are_very_long_are_cut_and_say_so(console: Served) -> None:
    """Nobody can push what matters off a page; what is decided on is shown whole."""
    visitor = await console.signed_in()
    waits(console.ledger, "line\n" * 10_000)
    for path in PATHS:
        if "/gates/" not in path and not path.startswith("/read"):
            assert (await visitor.get(path)).text.count("line\n") < 4000, path
    page = (await visitor.get("/runs/trace-1/gates/plan-1")).text
    assert "[cut here: 50000 characters in all]" in page
    assert page.split('<pre class="subject"')[1].split("</pre>")[0].count("line\n") == 10_000


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_is_a_document_for_programs_too(console: Served, path: str) -> None:
    """The same content by its names, with the version of these names."""
    visitor = await console.signed_in()
    waits(console.ledger, HOSTILE)
    answer = await visitor.get(path, accept="application/json")
    assert answer.headers["content-type"] == "application/json"
    document = json.loads(answer.text)
    assert document["schema"] == answers.SCHEMA
    assert document["nobody_works"].startswith("no worker has ever served")
    assert document["newest"] == 2


@pytest.mark.parametrize("path", ["/runs/nothing", "/runs/trace-1/gates/plan-9", "/read?id=ffff", "/feed?before=x", "/what"])
async def test_what_is_not_there_is_told(console: Served, path: str) -> None:
    """In words, and for programs as a document."""
    visitor = await console.signed_in()
    waits(console.ledger)
    page = await visitor.get(path)
    assert (page.status_code, "Not found" in page.text) == (404, True)
    document = (await visitor.get(path, accept="application/json")).json()
    assert document["error"]["status"] == 404
    assert document["error"]["text"]


async def test_the_feed_goes_back_line_by_line_and_by_what_is_asked(console: Served) -> None:
    """Each line once, newest first, also where lines of other runs stand between."""
    visitor = await console.signed_in()
    for trace in ("trace-1", "trace-2"):
        console.ledger.tx_now(runs.begin, *samples.begin(trace))
    for number in range(260):
        trace = f"trace-{1 + number % 2}"
        importance = "detail" if number % 4 == 0 else "overview"
        note = samples.note(f"{trace}/{number}", importance=importance)
        console.ledger.tx_now(feed.append, samples.ref(trace), [note])
    assert await _walked(visitor, "/feed") == list(range(260, 0, -1))
    assert await _walked(visitor, "/feed?run=trace-1") == list(range(259, 0, -2))
    assert await _walked(visitor, "/feed?run=trace-1&overview=1") == list(range(259, 0, -4))
    assert await _walked(visitor, "/feed?project=other") == []


async def _walked(visitor: Visitor, path: str) -> list[int]:
    seen: list[int] = []
    link: str | None = path
    while link is not None:
        page = (await visitor.get(link)).text
        seen += [int(number) for number in re.findall(r'id="line-(\d+)"', page)]
        found = re.search(r'href="(/feed[^"]*before=[^"]*)"', page)
        link = html.unescape(found[1]) if found else None
    return seen


async def test_a_ledger_that_is_away_is_told_and_nothing_else_breaks(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so with 503, the console stays healthy and is not ready; afterwards everything is as before."""
    visitor = await console.signed_in()

    async def away(*_: object) -> None:
        raise LedgerUnavailable("the ledger does not answer: the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr(console.ledger, "read", away)
        page = await visitor.get("/")
        assert (page.status_code, "the disk is away" in page.text) == (503, True)
        assert (await visitor.get("/healthz")).status_code == 200
        assert (await visitor.get("/readyz")).status_code == 503
    assert (await visitor.get("/")).status_code == 200
    assert (await visitor.get("/readyz")).status_code == 200


async def test_a_stream_that_breaks_goes_on_after_the_last_line(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line once, in order, over three connections, while lines are written; and it ends by itself."""
    monkeypatch.setattr(live, "EVERY", 0.01)
    visitor = await console.signed_in()
    console.ledger.tx_now(runs.begin, *samples.begin())
    seen: list[int] = []
    for part in range(3):
        for number in range(4):
            console.ledger.tx_now(feed.append, samples.ref(), [samples.note(f"{part}/{number}")])
        seen += await _events(visitor, seen[-1] if seen else 0, 3)
    seen += await _events(visitor, seen[-1], 3)
    assert seen == list(range(1, 13))


async def test_a_stream_ends_by_itself_so_that_its_session_is_looked_at_again(
    console: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has signed out meanwhile does not read on."""
    monkeypatch.setattr(live, "LONGEST", 0.0)
    visitor = await console.signed_in()
    assert (await visitor.get("/events")).text == f"retry: {live.AGAIN_MS}\n\n"
    assert (await visitor.get("/events", **{"last-event-id": "x"})).status_code == 400


async def _events(visitor: Visitor, after: int, count: int) -> list[int]:
    """The numbers of the next lines of a stream, which is left in the middle."""
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    headers = {"cookie": cookie, "last-event-id": str(after)}
    got: list[int] = []
    async with (
        asyncio.timeout(children.PATIENCE),
        visitor.client.stream("GET", visitor.base + "/events", headers=headers) as stream,
    ):
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                got.append(int(line[4:]))
            if len(got) == count:
                break
    return got


async def test_gates_and_alerts_lead_to_what_is_to_be_done(console: Served) -> None:
    """From a card, a gate and an alert of the feed to the runbook, whose commands stand there; no other name has a page."""
    visitor = await console.signed_in()
    waits(console.ledger)
    console.ledger.tx_now(feed.append, samples.ref(), [samples.note("breaker/model:a/1", importance="alert")])
    for path in ("/", "/runs/trace-1/gates/plan-1"):
        assert 'href="/help/gate-plan"' in (await visitor.get(path)).text, path
    lines = (await visitor.get("/feed")).text
    assert lines.count('href="/help/') - lines.count('href="/help/alert-nobody-works"') == 1
    assert 'href="/help/alert-breaker-open"' in lines
    page = html.unescape((await visitor.get("/help/alert-breaker-open")).text)
    assert 'baton models close NAME -m "what was mended"' in page
    assert "<strong>Do now:</strong>" in page
    assert "<!-- tested" not in page
    assert 'href="/help/gate-held"' in (await visitor.get("/help")).text
    assert (await visitor.get("/help/gate-none")).status_code == 404
