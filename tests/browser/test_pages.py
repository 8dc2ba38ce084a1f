"""Every page in a real browser: for people who see little, on a small screen, in both themes, and with hostile words in it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page
from sqlalchemy import Connection, update

from contracts.base import canonical
from contracts.money import CeilingRefused
from ledger import artifacts, duplicates, gates
from ledger.db import Ledger, now_us
from ledger.tables import run
from tests import depth
from tests.browser.chromium import Person, looking
from tests.console.filled import HOSTILE, PATHS, waits
from tests.console.serving import Served
from tests.ledger import samples

Theme = Literal["light", "dark"]
SEEN = ("color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size")
"""What axe-core looks at that the theme or the room changes."""
LOOKS: tuple[tuple[Theme, int, Sequence[str]], ...] = (
    (("light", 1280, ()), ("dark", 1280, ()), ("light", 360, ()), ("dark", 360, ()))
    if depth.SOAK
    else (("light", 1280, ()), ("dark", 360, SEEN))
)
"""Theme, width, and the rules that are gone by; none: all."""


async def _found(page: Page, rules: Sequence[str] = ()) -> list[tuple[str, list[str]]]:
    """What axe-core finds wrong, of whatever weight: the rule, and where."""
    report = await Axe().run(page, options={"runOnly": {"type": "rule", "values": list(rules)}} if rules else None)
    return [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in report.response["violations"]]


async def _wrong(olga: Person) -> list[tuple[object, ...]]:
    """What is wrong with the page that is open, however it is looked at; it may not have to be scrolled sideways either."""
    found: list[tuple[object, ...]] = []
    for theme, width, rules in LOOKS:
        await olga.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await olga.page.set_viewport_size({"width": width, "height": 740})
        found += [(theme, width, *one) for one in await _found(olga.page, rules)]
        needed = await olga.page.evaluate("() => document.documentElement.scrollWidth")
        found += [(theme, width, f"is {needed} wide")] if needed > width else []
    return found


async def test_no_page_keeps_anybody_out(console: Served, browser: Browser, tmp_path: Path) -> None:
    """By axe-core nothing is wrong with any page, in both themes, and at 360 pixels nobody has to scroll sideways: what is wide
    scrolls in a box of its own, which the keyboard reaches. Hostile words change no title, load nothing and break no policy of
    a page."""
    waits(console.ledger, HOSTILE)
    async with looking(browser, console, tmp_path) as olga:
        asked: list[str] = []
        olga.page.on("request", lambda request: asked.append(request.url))
        found: list[tuple[object, ...]] = []
        for path in (*PATHS, "/help", "/help/gate-plan"):
            await olga.open(path)
            assert (await olga.page.title()).endswith("· Baton"), path
            found += [(path, *one) for one in await _wrong(olga)]
        assert found == []
        assert olga.complaints == []
        assert {url for url in asked if not url.startswith(console.base)} == set()


async def test_what_is_hard_to_see_is_found(console: Served, browser: Browser, tmp_path: Path) -> None:
    """The check can fail, also where only the dark theme on a small screen is wrong."""
    style = """@media (prefers-color-scheme: dark) { main p { color: #222 !important; background: #333 !important } }
        @media (max-width: 400px) { main { min-width: 500px } }"""
    async with looking(browser, console, tmp_path) as olga:
        await olga.open("/help/gate-plan")
        await olga.page.evaluate(
            "css => { const own = new CSSStyleSheet(); own.replaceSync(css); document.adoptedStyleSheets.push(own); }", style
        )
        found = {one[:3] for one in await _wrong(olga)}
        assert {("dark", 360, "color-contrast"), ("dark", 360, "is 500 wide")} <= found, found
        assert not [one for one in found if one[:2] == ("light", 1280)]


async def test_forms_that_settle_keep_nobody_out(console: Served, browser: Browser, tmp_path: Path) -> None:
    """Of a run that has ended and one that was ended as its duplicate, and of a shared ceiling; on a small screen, too."""
    waits(console.ledger, HOSTILE)
    console.ledger.tx_now(_settleable, console.ledger)
    async with looking(browser, console, tmp_path) as olga:
        for path, forms in (("/runs/trace-1", ("retry", "duplicates")), ("/runs/trace-1/gates/ceiling-1", ("raise",))):
            await olga.open(path)
            for form in forms:
                assert await olga.page.locator(f'form[action="{path}/{form}"]').count() == 1, form
            assert await _wrong(olga) == [], path
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
