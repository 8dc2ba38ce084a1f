"""Chromium for tests: the distribution's own program, driven by Playwright, which brings none here."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest
from playwright.async_api import Browser, Page, async_playwright

from ledger import signed_in
from ledger.db import Ledger
from tests import children, depth
from tests.stack import until

HOW = "install it (Debian: apt-get install chromium) or put chromium on the PATH"
PATIENCE_MS = children.PATIENCE * 1000

NARROW = 1000
"""Pixels across a picture that a page of the docs shows."""

PICTURES = "TESTS_PICTURES"
"""Environment variable: the folder that screenshots go to. Without it `make soak` keeps them where pytest keeps a test's files,
and `make test` takes none."""


def program() -> Path | None:
    """The program; None where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Path(found) if found else None


def missing() -> NoReturn:
    """Skip, or fail where nothing may be skipped."""
    text = f"there is no Chromium here; {HOW}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


@asynccontextmanager
async def running() -> AsyncIterator[Browser]:
    """A browser without a window."""
    found = program() or missing()
    async with async_playwright() as playwright:
        # Its own sandbox refuses to run for root, which is what CI often is; it opens the console alone.
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            await browser.close()


class Console(Protocol):
    """A console that runs, over this ledger."""

    @property
    def base(self) -> str: ...
    @property
    def ledger(self) -> Ledger: ...


@dataclass
class Person:
    """Somebody who looks at the console. `complaints` is what the browser has complained of: errors, and what the policy of the
    page's content has stopped."""

    page: Page
    base: str
    pictures: Path | None
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a page of the console."""
        await self.page.goto(self.base + path)

    async def sends(self, how: Awaitable[None]) -> None:
        """Do what sends a form, and wait for the page that answers."""
        async with self.page.expect_navigation():
            await how

    async def presses(self, name: str) -> None:
        """Press the button with this name, which sends its form."""
        await self.sends(self.page.get_by_role("button", name=name, exact=True).click())

    async def text(self) -> str:
        """What the page says."""
        return str(await self.page.locator("main").inner_text())

    async def sees(self, text: str) -> None:
        """Load the page again until it says this."""
        wanted = self.page.get_by_text(text).first

        async def said() -> bool | None:
            if await wanted.is_visible():
                return True
            # Not again as it was got: that could be a form.
            await self.page.goto(self.page.url)
            return None

        await until(said, f"{self.page.url} says {text!r}", every=0.5)

    async def gone(self, text: str) -> None:
        """Load the page again until it does not say this any more."""

        async def unsaid() -> bool | None:
            if text not in await self.text():
                return True
            await self.page.goto(self.page.url)
            return None

        await until(unsaid, f"{self.page.url} does not say {text!r} any more", every=0.5)

    async def picture(self, name: str) -> None:
        """Keep a screenshot of the whole page."""
        if self.pictures is not None:
            await self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)

    async def both_themes(self, name: str, height: int, below: str = "") -> None:
        """Keep a part of the page, so many pixels high, in both themes (`NAME-dark`); the light one stays. `below`: it begins
        at the first element with this selector."""
        if self.pictures is None:
            return
        await self.page.set_viewport_size({"width": NARROW, "height": height})
        box = await self.page.locator(below).first.bounding_box() if below else None
        clip: Any = {"x": 0, "y": box["y"] if box else 0, "width": NARROW, "height": height}
        for theme, file in (("dark", f"{name}-dark"), ("light", name)):
            await self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
            await self.page.screenshot(path=self.pictures / f"{file}.png", clip=clip, full_page=True)


@asynccontextmanager
async def looking(
    browser: Browser, web: Console, folder: Path, person: str | None = "olga", **options: Any
) -> AsyncIterator[Person]:
    """Somebody in a browser of their own, signed in by a link; None: nobody is. `options` are Playwright's for the context."""
    pictures = Path(os.environ.get(PICTURES) or folder) if PICTURES in os.environ or depth.SOAK else None
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options)
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = await context.new_page()
        somebody = Person(page, web.base, pictures)
        page.on("console", lambda said: somebody.complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: somebody.complaints.append(str(error)))
        if person is not None:
            await page.goto(f"{web.base}/sign-in?link={web.ledger.tx_now(signed_in.make_link, person)}")
            await page.get_by_role("button", name="Sign in as").click()
            await page.wait_for_url(f"{web.base}/")
        yield somebody
    finally:
        await context.close()
