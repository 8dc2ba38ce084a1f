"""A run's page in a real browser while a model writes: it goes on without being loaded again, and moves nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser
from temporalio.testing import ActivityEnvironment

from activities.running.beside import beside
from activities.runs import under_way
from console import live
from tests.activities.turns.test_under_way import DONE, USED, asking
from tests.browser.chromium import looking
from tests.console.serving import Served
from tests.wire.server import Play
from tests.wire.vendors import chunk, events

PAGE = "/runs/trace-1"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_way, "SHORT", 0.0)
    monkeypatch.setattr(under_way, "EVERY", timedelta(milliseconds=50))
    monkeypatch.setattr(live, "EVERY", timedelta(milliseconds=50))


async def test_the_count_rises_on_the_page_and_then_the_turn_has_ended(
    console: Served, browser: Browser, tmp_path: Path
) -> None:
    """A slow stream: the page says how far it has got, by itself and on one stream, and keeps what stands below in its place;
    without JavaScript the same stands there after loading it. Then nothing is under way, and the step has what was counted."""
    streams = list[str]()
    goes = [asyncio.Event(), asyncio.Event()]
    head = events(chunk({"role": "assistant", "content": ""}), chunk({"content": DONE[:40]}), end="")
    more = events(chunk({"content": DONE[40:]}), end="")
    end = events(chunk({}, "stop"), {"choices": [], "usage": USED, "object": "chat.completion.chunk"})
    async with (
        asking(console.ledger, tmp_path) as (models, request, server),
        beside(models.under_way.run()),
        looking(browser, console, tmp_path, "olga") as olga,
        looking(browser, console, tmp_path, "nora", java_script_enabled=False) as nora,
    ):
        olga.page.on("request", lambda sent: streams.append(sent.url) if "/events" in sent.url else None)
        await olga.open(PAGE)
        assert await olga.page.locator("#running li").all_inner_texts() == ["Nothing is under way."]
        server.play(Play(pieces=(head, goes[0], more, goes[1], end)))
        call = asyncio.create_task(ActivityEnvironment().run(models.call_model, request))
        running = olga.page.locator("#running")
        await running.get_by_text("about 10 tokens written (estimated from 40 characters)").wait_for()
        place = await olga.page.locator("#why").bounding_box()
        await nora.open(PAGE)
        assert "about 10 tokens written (estimated from 40 characters)" in await nora.text()
        goes[0].set()
        await running.get_by_text(f"(estimated from {len(DONE)} characters)").wait_for()
        seconds = running.locator("time").get_by_text("2 s", exact=True)
        await seconds.wait_for()
        await olga.picture("run-while-a-model-writes")
        assert "so far 0 model calls, 0 tokens, $0.00" in await running.inner_text()
        goes[1].set()
        await call
        await running.get_by_text("Nothing is under way.").wait_for()
        await running.get_by_text("so far 1 model call, 120 tokens").wait_for()
        assert await olga.page.locator("#why").bounding_box() == place
        assert [len(streams), olga.complaints] == [1, []]


async def test_whoever_comes_later_is_told_at_once_and_words_stay_words(
    console: Served, browser: Browser, tmp_path: Path
) -> None:
    """The tool whose call is being written is named by the model: it is text, whatever it looks like."""
    go = asyncio.Event()
    function = {"name": "<img src=x onerror=alert(1)>", "arguments": '{"path'}
    calling = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    async with (
        asking(console.ledger, tmp_path) as (models, request, server),
        beside(models.under_way.run()),
        looking(browser, console, tmp_path) as olga,
        looking(browser, console, tmp_path, "erik") as erik,
    ):
        server.play(Play(pieces=(events(chunk({"role": "assistant"}), chunk(calling), end=""), go, b"")))
        call = asyncio.create_task(ActivityEnvironment().run(models.call_model, request))
        for one in (olga, erik):
            await one.open(PAGE)
            await one.page.locator("#running").get_by_text("now a call of <img src=x onerror=alert(1)>").wait_for()
            assert await one.page.locator("main img").count() == 0
        call.cancel()
        await asyncio.wait([call])
        for one in (olga, erik):
            await one.page.locator("#running").get_by_text("Nothing is under way.").wait_for()
            assert one.complaints == []
