"""Every page in a real browser: for people who see little, on a small screen, in both themes, and with hostile words in it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page
from sqlalchemy import Connection, update

from contracts.base import canonical
from contracts.money import CeilingRefused
from ledger import artifacts, duplicates, gates
from ledger.db import Ledger, now_us
from ledger.tables import run
from tests.browser.chromium import looking
from tests.console.filled import HOSTILE, PATHS, waits
from tests.console.serving import Served
from tests.ledger import samples


async def _found(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds wrong, of whatever weight: the rule, and where."""
    report = await Axe().run(page)
    return [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in report.response["violations"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_no_page_keeps_anybody_out(console: Served, browser: Browser, tmp_path: Path, theme: str) -> None:
    """By axe-core nothing is wrong with any page; hostile words change no title, load nothing and break no policy of a page."""
    waits(console.ledger, HOSTILE)
    async with looking(browser, console, tmp_path, color_scheme=theme) as olga:
        asked: list[str] = []
        olga.page.on("request", lambda request: asked.append(request.url))
        found: list[tuple[object, ...]] = []
        for path in (*PATHS, "/help", "/help/gate-plan"):
            await olga.open(path)
            assert (await olga.page.title()).endswith("· Baton"), path
            found += [(path, *one) for one in await _found(olga.page)]
        assert found == []
        assert olga.complaints == []
        assert {url for url in asked if not url.startswith(console.base)} == set()


async def test_every_page_is_read_on_a_small_screen(console: Served, browser: Browser, tmp_path: Path) -> None:
    """At 360 pixels nobody has to scroll sideways; what is wide scrolls in a box of its own, which the keyboard reaches."""
    waits(console.ledger, HOSTILE)
    async with looking(browser, console, tmp_path, viewport={"width": 360, "height": 740}) as olga:
        for path in PATHS:
            await olga.open(path)
            width = await olga.page.evaluate("() => document.documentElement.scrollWidth")
            assert width <= 360, (path, width)
            assert await _found(olga.page) == [], path


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_forms_that_settle_keep_nobody_out(console: Served, browser: Browser, tmp_path: Path, theme: str) -> None:
    """Of a run that has ended and one that was ended as its duplicate, and of a shared ceiling; on a small screen, too."""
    waits(console.ledger, HOSTILE)
    console.ledger.tx_now(_settleable, console.ledger)
    async with looking(browser, console, tmp_path, color_scheme=theme, viewport={"width": 360, "height": 740}) as olga:
        for path, forms in (("/runs/trace-1", ("retry", "duplicates")), ("/runs/trace-1/gates/ceiling-1", ("raise",))):
            await olga.open(path)
            for form in forms:
                assert await olga.page.locator(f'form[action="{path}/{form}"]').count() == 1, form
            assert await _found(olga.page) == [], path
            assert await olga.page.evaluate("() => document.documentElement.scrollWidth") <= 360, path
        assert olga.complaints == []


def _settleable(connection: Connection, ledger: Ledger) -> None:
    """The run of `waits` has ended; another one was its duplicate, and it waited at this month's ceiling."""
    given = {"instruction": HOSTILE, "repository": "/r", "owner": "olga", "request_key": "ticket-1"}
    kept = artifacts.put(connection, ledger.files, canonical(given), "application/json").digest
    duplicates.record(connection, samples.ref(), samples.ref(trace="trace-9"), "Delivery", kept)
    refused = CeilingRefused(scope=f"month:{datetime.now(UTC):%Y-%m}", ceiling=9_000_000, wanted=10_000_000)
    subject = artifacts.put(connection, ledger.files, b"money").digest
    view = samples.view("ceiling-1", kind="ceiling", ceiling=refused, verbs=("raise_ceiling", "stop"), subject=subject)
    gates.open_gate(connection, samples.opening(view))
    connection.execute(update(run).values(state="failed", ended_at=now_us()))


async def test_the_sign_in_page_keeps_nobody_out(console: Served, browser: Browser, tmp_path: Path) -> None:
    """The one page that everybody has to pass."""
    async with looking(browser, console, tmp_path, None) as nobody:
        await nobody.open("/sign-in")
        assert await _found(nobody.page) == []
        assert nobody.complaints == []
