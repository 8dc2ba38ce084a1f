"""The stream of new lines in a real browser: it breaks, comes back, and neither loses a line nor counts one twice."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser

from console import live
from ledger import feed, runs
from ledger.db import Ledger
from tests.browser.chromium import looking
from tests.console.serving import Served
from tests.ledger import samples

LINES = 30


async def test_a_stream_that_breaks_again_and_again_loses_and_doubles_nothing(
    console: Served, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stream is over after one look, so that the browser has to come back for every few lines with the last one it saw.
    What is read does not move: the page only says how many lines are new."""
    monkeypatch.setattr(live, "EVERY", timedelta(milliseconds=10))
    monkeypatch.setattr(live, "LONGEST", 0.01)
    monkeypatch.setattr(live, "KEEP_ALIVE", 0.05)
    monkeypatch.setattr(live, "AGAIN_MS", 10)
    console.ledger.tx_now(runs.begin, *samples.begin())
    _told(console.ledger, 0)
    async with looking(browser, console, tmp_path) as olga:
        streams = 0

        def counted(url: str) -> None:
            nonlocal streams
            streams += "/events" in url

        olga.page.on("request", lambda request: counted(request.url))
        await olga.open("/feed")
        before = await olga.text()
        for number in range(1, LINES + 1):
            _told(console.ledger, number)
            await olga.page.get_by_text(f"{number} new line", exact=False).wait_for()
        assert await olga.text() == before
        assert await olga.page.locator("#new").inner_text() == f"{LINES} new lines in the feed: load the page again"
        assert streams > LINES / 2, "they broke"
        await olga.page.get_by_text("load the page again").click()
        assert f"did line {LINES}" in await olga.text()
        assert olga.complaints == []


def _told(ledger: Ledger, number: int) -> None:
    ledger.tx_now(feed.append, samples.ref(), [samples.note(f"line {number}")])
