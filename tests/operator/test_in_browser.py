"""The same eleven anomalies, found in the console by somebody who has a browser and the help that it links to.

Those about a decision are settled there. What takes a command, such as starting a worker, is typed as the help page shows it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.browser import chromium
from tests.browser.chromium import Person, looking
from tests.operator.anomalies import ANOMALIES, Planted
from tests.operator.book import filled, steps
from tests.operator.house import House, house
from tests.ports import reserved
from tests.stack import until


@pytest.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One installation for all of them; `baton up` has started its console."""
    async with house(tmp_path_factory.mktemp("browser"), {"port": reserved(), "ui_port": reserved()}) as running:
        yield running


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


IN_THE_CONSOLE: Mapping[str, Settle] = {
    "stuck agent": _told_again,
    "parked money": _paid,
    "unknown action": _seen_there,
    "stale approval": _approved,
    "condemned source": _let_on,
    "conflict between workers": _approved,
}


@pytest.mark.parametrize("name", ANOMALIES)
async def test_an_operator_finds_it_in_the_console_and_settles_it(
    home: House, browser: Browser, tmp_path: Path, name: str
) -> None:
    """From the first page or the alerts to the help, and from there to the gate, or to the command that the help shows."""
    anomaly = ANOMALIES[name]
    planted = await anomaly.plant(home)
    async with looking(browser, home, tmp_path) as olga:
        await _leads_to(olga, anomaly.runbook)
        assert "Do now" in await olga.text()
        if name in IN_THE_CONSOLE:
            planted.mend()
            await IN_THE_CONSOLE[name](olga, planted)
            assert olga.complaints == []
        else:
            # Commands such as `baton down` end the console, of which the browser complains.
            await _typed(home, olga.page, planted, anomaly.runbook)
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


async def _typed(home: House, page: Page, planted: Planted, runbook: str) -> None:
    """What the help page shows as commands, typed in a terminal."""
    shown = "\n".join(await page.locator("main pre").all_inner_texts())
    for number, block in enumerate(steps(runbook)):
        assert all(line in shown for line in block.text.strip().splitlines()), (block.text, shown)
        if number == 1:
            planted.mend()
        await asyncio.to_thread(home.machine.run, filled(block, planted.values))
