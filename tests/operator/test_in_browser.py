"""The same eleven anomalies, found and settled in the console by somebody who has a browser and the help that it links to."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests import depth
from tests.browser import chromium
from tests.browser.chromium import Person, looking
from tests.operator.anomalies import ANOMALIES, IN_THE_BROWSER, Planted
from tests.operator.house import House
from tests.stack import until


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium.running() as started:
        yield started


async def at_gate(olga: Person, values: Mapping[str, str], button: str, **fields: str) -> None:
    """Open the gate from its run, fill in the form that has this button, and press it."""
    await olga.open(f"/runs/{values['RUN']}")
    await olga.page.get_by_role("link", name=values["GATE"], exact=True).first.click()
    form = olga.page.get_by_role("form", name=button, exact=True)
    for name, text in fields.items():
        await form.locator(f"[name={name}]").fill(text)
    await olga.sends(form.get_by_role("button", name=button, exact=True).click())


Settle = Callable[[Person, Planted], Awaitable[None]]


async def _told_again(olga: Person, planted: Planted) -> None:
    await at_gate(olga, planted.values, "Request changes", note="what it should do instead")


async def _paid(olga: Person, planted: Planted) -> None:
    await at_gate(olga, planted.values, "Raise the ceiling", to_usd=planted.values["USD"], note="it is worth it")


async def _seen_there(olga: Person, planted: Planted) -> None:
    said = {"reference": planted.values["NUMBER"], "note": "in the bank's book"}
    await at_gate(olga, planted.values, "It happened", **said)


async def _approved(olga: Person, planted: Planted) -> None:
    await at_gate(olga, planted.values, "Approve")


async def _let_on(olga: Person, planted: Planted) -> None:
    await olga.open(f"/provenance/condemned/{planted.values['ID']}")
    assert planted.values["RUN"] in await olga.text(), "what it holds"
    await at_gate(olga, planted.values, "Approve", note="it is right all the same")


async def fills(olga: Person, name: str, button: str, **fields: str) -> None:
    """Fill in the form of the page that has this name, unfold it before if it is folded, and press its button."""
    form = olga.page.locator(f'form[aria-label="{name}"]')
    if not await form.is_visible():
        await olga.page.locator("details", has=form).locator("summary").click()
    for field, text in fields.items():
        await form.locator(f"[name={field}]").fill(text)
    await olga.sends(form.get_by_role("button", name=button, exact=True).click())
    assert await olga.page.get_by_role("alert").filter(has_text="othing was done").count() == 0, await olga.text()


async def _asked_again(olga: Person, planted: Planted) -> None:
    name = f"Close {planted.values['NAME']}"
    await olga.open("/system")
    await fills(olga, name, name, why="there is a new key")
    await olga.sees("All models answer.")


async def _old_version_live(olga: Person, planted: Planted) -> None:
    agent, _, _ = planted.values["AGENT"].partition("@")
    await olga.open("/agents")
    await olga.page.locator(f'summary[aria-label="Withdraw a version of {agent}"]').click()
    await olga.page.locator(f'form[aria-label="Withdraw {agent}"] select').select_option(planted.values["AGENT"])
    await fills(olga, f"Withdraw {agent}", "Withdraw it", why="nobody has released it")
    await olga.open("/system")
    await fills(olga, "Worker of this machine", "Start the worker anew", why="a version was withdrawn")
    # One that has stopped without a word is listed for a while.
    await olga.open("/agents")
    await olga.gone(f"{planted.values['AGENT']} is live")


async def _worker_started(olga: Person, planted: Planted) -> None:
    del planted
    await olga.open("/system")
    await fills(olga, "Worker of this machine", "Start a worker", why="nobody works")


async def _under_its_own_key(olga: Person, planted: Planted) -> None:
    await olga.open("/feed?alerts=1")
    await olga.sees(f"a duplicate of {planted.values['RUN']}")
    await olga.open(f"/runs/{planted.values['RUN']}")
    card = olga.page.locator(".card", has_text=planted.values["TICKET"])
    form = card.locator("form")
    await form.locator("[name=key]").fill(planted.values["NEWKEY"])
    await form.locator("[name=why]").fill("it is another ticket")
    await olga.sends(form.get_by_role("button", name="Start it", exact=True).click())
    await olga.sees("Started by olga as")


async def _done_again(olga: Person, planted: Planted) -> None:
    await olga.open(f"/runs/{planted.values['RUN']}")
    await fills(olga, "Have it done again", "Have it done again", why="it was ended by mistake")
    await olga.page.get_by_role("region", name="Done again").get_by_role("link").wait_for()


IN_THE_CONSOLE: Mapping[str, Settle] = {
    "stuck agent": _told_again,
    "parked money": _paid,
    "unknown action": _seen_there,
    "stale approval": _approved,
    "condemned source": _let_on,
    "conflict between workers": _approved,
    "open circuit breaker": _asked_again,
    "wrong agent version live": _old_version_live,
    "no worker": _worker_started,
    "duplicate ticket": _under_its_own_key,
    "run terminated in Temporal": _done_again,
}


@pytest.mark.parametrize("name", ANOMALIES if depth.SOAK else IN_THE_BROWSER)
async def test_an_operator_finds_it_in_the_console_and_settles_it(
    home: House, browser: Browser, tmp_path: Path, name: str
) -> None:
    """From the first page or the alerts to the help, and from there to the page that settles it. No command is typed."""
    anomaly = ANOMALIES[name]
    planted = await anomaly.plant(home)
    async with looking(browser, home, tmp_path) as olga:
        await _leads_to(olga, anomaly.runbook)
        assert "Do now" in await olga.text()
        planted.mend()
        await IN_THE_CONSOLE[name](olga, planted)
        assert olga.complaints == []
        await anomaly.settled(home, planted)
    await home.clear()


async def _leads_to(olga: Person, runbook: str) -> None:
    """Follow the link to this runbook, from wherever an operator looks."""
    link = olga.page.locator(f'a[href="/help/{runbook}"]').first

    async def shown() -> bool | None:
        for path in ("/", "/feed?alerts=1", "/agents"):
            await olga.open(path)
            if await link.count():
                return True
        return None

    await until(shown, f"a page leads to {runbook}", every=1.0)
    await link.click()
