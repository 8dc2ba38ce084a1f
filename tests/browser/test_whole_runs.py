"""A review and a support ticket driven whole from the console, and a decision that is on its way while the worker is killed."""

import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Browser
from temporalio.client import Client

import config
from contracts.gates import GateView
from ledger import decision_outbox, gates
from ledger.db import Ledger
from tests import depth, scripts
from tests.activities.actions.servers import web
from tests.activities.support.places import ticket
from tests.browser.chromium import Person, looking
from tests.console.serving import served
from tests.processes import Worker
from tests.replay.scenarios import COMMENTS, PLANNER
from tests.stack import QUICK, Stack, result_of, sample
from tests.workflows.conftest import Start
from tests.workflows.reviewing import ANALYST, BUGS, HOLES, WHOLE, change, hosting, opened, review
from tests.workflows.test_review import NOBODY
from tests.workflows.test_support import answering, sent, started


def _reaching(client: Client) -> Callable[[], Awaitable[Client]]:
    async def connect() -> Client:
        return client

    return connect


async def _says(somebody: Person, view: GateView, button: str, **fields: str) -> None:
    """From Needs you to the gate, fill in the form with this button, press it, and see that it counts."""
    await somebody.open("/")
    await somebody.page.get_by_role("link", name=view.title, exact=True).first.click()
    form = somebody.page.get_by_role("form", name=button, exact=True)
    for name, text in fields.items():
        await form.locator(f"[name={name}]").fill(text)
    await somebody.sends(form.get_by_role("button", name=button, exact=True).click())
    await somebody.gone("sent, not confirmed")
    assert "confirmed" in await somebody.text()


@depth.deep(
    "tests/browser/test_delivery.py::test_a_delivery_is_driven_whole_from_the_console",
    "tests/workflows/test_review_further.py::test_a_pull_request_is_reviewed_and_commented_on",
)
async def test_a_review_is_driven_whole_from_the_console(
    start: Start, client: Client, browser: Browser, tmp_path: Path
) -> None:
    """Neither reviewer could; a person says what to look at, lets the comment be written, and reads what was found."""
    origin, _ = change(tmp_path / "sample")
    (tmp_path / "policy.toml").write_text(Path("policy.toml").read_text() + COMMENTS)
    again = [one | {"text": "look at eval alone"} for one in (BUGS, HOLES)]
    with web() as host:
        asked: dict[str, Any] = {"pull_request": opened(host, origin), "target": "host", "comment": True}
        said = (*again, ANALYST, *NOBODY, WHOLE)
        playing = start(*said, check=None, policy=tmp_path / "policy.toml", **hosting(host))
        async with playing as stack, served(stack.ledger, connect=_reaching(client)) as console:
            run = await review(stack, None, **asked)
            async with looking(browser, console, tmp_path / "pictures") as olga:
                await _says(olga, await stack.gate(run, "stuck-1"), "Request changes", note="look at eval alone")
                comment = await stack.gate(run, "action-1")
                assert host.comments == []
                await _says(olga, comment, "Approve")
                report = await result_of(run)
                await olga.open(f"/runs/{run.id}")
                await olga.sees("A price runs as code.")
                assert olga.complaints == []
            (written,) = host.comments
    assert (report.state, report.missing, report.comment is not None) == ("done", (), True)
    assert "A price runs as code" in written["body"]


@depth.deep(
    "tests/browser/test_delivery.py::test_a_delivery_is_driven_whole_from_the_console",
    "tests/console/test_gate.py::test_a_draft_is_reported_with_its_reference",
)
async def test_a_support_ticket_is_driven_whole_from_the_console(client: Client, browser: Browser, tmp_path: Path) -> None:
    """The refund is made by a person, who says so with the bank's number; the reply goes out once, when it is approved."""
    async with answering(client, tmp_path) as (stack, shop, server):
        shop.file(ticket("T-1", "ann@shop.test", "Please, my card was charged twice for AB-1001, 42.00 EUR."))
        async with served(stack.ledger, connect=_reaching(client)) as console:
            run = await started(stack, "support-in-a-browser")
            async with looking(browser, console, tmp_path / "pictures") as olga:
                refund = await stack.gate(run, "ticket.1-t-1.draft-1")
                await _says(olga, refund, "I did it", reference="BANK-7", note="paid back at the counter")
                reply = await stack.gate(run, "ticket.1-t-1.action-1")
                assert sent(server) == []
                await _says(olga, reply, "Approve")
                report = await result_of(run)
                await olga.open(f"/actions?run={run.id}&settled=1")
                await olga.sees("ann@shop.test")
                assert olga.complaints == []
        ((to, text),) = sent(server)
    assert (report.state, report.endings, shop.refunded()) == ("done", {"replied": 1}, {})
    assert (to, "We pay back what AB-1001 was charged twice." in text) == (("ann@shop.test",), True)


async def test_a_decision_outlives_the_worker_that_it_was_sent_to(
    client: Client, browser: Browser, tmp_path: Path, sqlite_url: str
) -> None:
    """The worker stands still when it is sent and is killed then: the page says that nothing is confirmed. The next worker
    confirms it, once."""
    script = scripts.save(tmp_path / "script.yaml", PLANNER)
    settings = config.Settings(
        state=tmp_path / "state", task_queue=f"killed-{tmp_path.name}", model="scripted:x", script=script, ledger_url=sqlite_url
    )
    ledger = Ledger(sqlite_url, settings.artifacts)
    stack = Stack(client, settings, ledger, None, QUICK)  # type: ignore[arg-type]  # its parts are in the other process
    with Worker(client, settings, tmp_path / "worker.log") as worker, contextlib.closing(ledger):
        run = await stack.deliver(sample(tmp_path / "sample"))
        view = await stack.gate(run, "plan-1")
        async with (
            served(ledger, connect=_reaching(client)) as console,
            looking(browser, console, tmp_path / "pictures") as olga,
        ):
            await olga.open(f"/runs/{view.trace}/gates/{view.gate}")
            form = olga.page.get_by_role("form", name="Reject", exact=True)
            await form.locator("[name=note]").fill("not this way")
            os.kill(worker.pid, signal.SIGSTOP)
            await olga.sends(form.get_by_role("button", name="Reject", exact=True).click())
            assert "sent, not confirmed" in await olga.text()
            worker.kill()
            await olga.open(f"/runs/{view.trace}/gates/{view.gate}")
            assert "sent, not confirmed" in await olga.text()
            worker.start()
            await olga.gone("sent, not confirmed")
            assert "confirmed" in await olga.text()
            report = await run.result()
        decided = [one for one in await ledger.read(gates.decisions, view.trace) if one["gate"] == view.gate]
        kept = await ledger.read(decision_outbox.of_gate, view.trace, view.gate)
    assert [(one["verb"], one["by"], one["outcome"]) for one in decided] == [("reject", "olga", "won")]
    assert [one.state for one in kept] == ["confirmed"]
    assert "not this way" in report.reason
