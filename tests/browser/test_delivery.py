"""A delivery driven whole from the console in a real browser: by keys alone, without JavaScript, by two people at once."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser
from temporalio.client import Client

from contracts.gates import GateView
from ledger import gates
from tests.browser.chromium import Person, looking
from tests.console.serving import served
from tests.scripts import a_tester, answer, edit, item, plan, read, says, writer
from tests.stack import git, sample
from tests.workflows.conftest import Start

FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
PLANNED = [read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"])))]


async def test_a_delivery_is_driven_whole_from_the_console(
    start: Start, client: Client, browser: Browser, tmp_path: Path
) -> None:
    """Changes are asked for once by keys alone; a page that is out of date decides nothing; of two people who approve at once
    one does, and the other is told who; the change is approved without JavaScript; the push is seen."""
    origin = sample(tmp_path / "sample")

    async def connect() -> Client:
        return client

    playing = start(says("planner", *PLANNED, *PLANNED), writer("fix", FIX), a_tester(), check=None, beats=True)
    async with playing as stack, served(stack.ledger, connect=connect, settings=stack.settings) as web:
        run = await stack.deliver(origin, branch="fix/rounding")
        first = await stack.gate(run, "plan-1")
        async with (
            looking(browser, web, tmp_path / "pictures", "olga") as olga,
            looking(browser, web, tmp_path / "pictures", "erik") as erik,
            looking(browser, web, tmp_path / "pictures", "nora", java_script_enabled=False) as nora,
        ):
            await erik.open(_path(first))
            await _asked_by_keys(olga, first)
            second = await stack.gate(run, "plan-2")
            await erik.presses("Approve")
            await erik.sees("request_changes by olga")
            for one in (olga, erik):
                await one.open(_path(second))
            await asyncio.gather(*(one.presses("Approve") for one in (olga, erik)))
            change = await stack.gate(run, "change-1")
            (won,) = [
                one
                for one in await stack.ledger.read(gates.decisions, first.trace)
                if (one["gate"], one["outcome"]) == ("plan-2", "won")
            ]
            for one in (olga, erik):
                await one.open(_path(second))
                await one.sees(f"approve by {won['by']}")
            await olga.open(_path(change))
            await olga.both_themes("gate", 900, "#then")
            await nora.open(_path(change))
            await nora.picture("gate-of-a-change")
            await nora.presses("Approve")
            report = await run.result()
            await nora.open(f"/runs/{change.trace}")
            await nora.sees(str(report.commit)[:12])
            await nora.picture("run-that-is-done")
            complaints = [*olga.complaints, *erik.complaints, *nora.complaints]
    assert (report.state, git(origin, "rev-parse", "fix/rounding")) == ("done", report.commit)
    assert [one for one in complaints if "409" not in one] == []


async def _asked_by_keys(olga: Person, view: GateView) -> None:
    """From Needs you to a request for changes, with Tab and Enter and no mouse."""
    await olga.open("/")
    await olga.both_themes("needs-you", 600)
    await _tab_to(olga, "a", view.title)
    await olga.page.keyboard.press("Enter")
    await olga.page.wait_for_url(f"**{_path(view)}")
    await olga.picture("gate-of-a-plan")
    await _tab_to(olga, "textarea", "request_changes")
    await olga.page.keyboard.type("say why half up")
    await _tab_to(olga, "button", "request_changes")
    await olga.sends(olga.page.keyboard.press("Enter"))
    await olga.sees("confirmed")


async def _tab_to(person: Person, element: str, about: str) -> None:
    """Press Tab until an element of this kind has the focus: a link with this text, or a field in the form of this verb."""
    for _ in range(100):
        await person.page.keyboard.press("Tab")
        where = await person.page.evaluate(
            "() => { const e = document.activeElement; const verb = e.form?.elements.namedItem('verb');"
            " return [e.localName, e.textContent, verb?.value ?? '']; }"
        )
        if where[0] == element and (about in where[1] or about == where[2]):
            return
    raise AssertionError(f"no {element} about {about!r} is reached with Tab")


def _path(view: GateView) -> str:
    return f"/runs/{view.trace}/gates/{view.gate}"
