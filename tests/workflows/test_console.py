"""A delivery that is decided in the console, on a real server with a real worker."""

import asyncio
import html
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import select
from temporalio.client import Client, WorkflowUpdateFailedError

from contracts.gates import GateView
from ledger import decision_outbox, gates
from ledger.tables import turn
from tests.console.serving import Visitor, served
from tests.scripts import a_tester, answer, edit, item, plan, read, says, writer
from tests.stack import Stack, git, sample, until
from tests.workflows.conftest import Start

FIX = edit(
    "shop/pricing.py", "    return int(cents * (100 - percent) / 100)\n", "    return (cents * (100 - percent) + 50) // 100\n"
)
PLANNED = [read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"])))]


async def test_a_delivery_is_decided_in_the_console_from_the_plan_to_the_push(
    start: Start, client: Client, tmp_path: Path
) -> None:
    """Changes are asked for once, a page that is out of date decides nothing, of two people one decides, and what was approved
    is pushed. What only says that it comes from the console does not count."""
    origin = sample(tmp_path / "sample")

    async def connect() -> Client:
        return client

    playing = start(says("planner", *PLANNED, *PLANNED), writer("fix", FIX), a_tester())
    async with playing as stack, served(stack.ledger, connect=connect) as web:
        run = await stack.deliver(origin, branch="fix/rounding")
        view = await stack.gate(run, "plan-1")
        olga, erik = await web.signed_in("olga"), await web.signed_in("erik")
        old = await _form(erik, view)
        refused = await _send(olga, view, "request_changes", note=" ")
        assert (refused.status_code, "say why" in refused.text) == (409, True)
        elsewhere = await _send(olga, view, "request_changes", **{"place.1": "item other", "remark.1": "say why half up"})
        assert (elsewhere.status_code, "is no place of what plan-1 shows" in elsewhere.text) == (409, True)
        await _decided(olga, view, "request_changes", **{"place.1": "item fix", "remark.1": "say why half up"})
        again = await stack.gate(run, "plan-2")
        stale = await erik.post(_path(view), **old, verb="approve")
        assert (stale.status_code, "request_changes by olga" in html.unescape(stale.text)) == (409, True)
        wrong = await erik.post(_path(again), **(old | {"subject": "0" * 64}), verb="approve")
        assert (wrong.status_code, "something else than this page showed" in wrong.text) == (409, True)
        with pytest.raises(WorkflowUpdateFailedError) as forged:
            await stack.decide(again, by="olga", channel="console", nonce="made-up")
        assert "nobody has decided this" in str(forged.value.cause)
        assert "What has changed since plan-1" in (await olga.get(_path(again))).text
        assert await _remarks(stack, view.trace) == [[], [("plan-1, item fix", "say why half up")]]
        both = await asyncio.gather(*(_send(one, again, "approve") for one in (olga, erik)))
        assert {one.status_code for one in both} <= {303, 409}
        change = await stack.gate(run, "change-1")
        page = (await olga.get(_path(change))).text
        assert re.search(
            r'data-place="shop/pricing.py:(\d+)" data-line="\1">\+    return \(cents \* \(100 - percent\) \+ 50\) // 100', page
        )
        assert "<b>git.push</b>: push " in page, "what the approval lets happen"
        await _decided(olga, change, "approve")
        report = await run.result()
        won = [one for one in await stack.ledger.read(gates.decisions, view.trace) if one["outcome"] == "won"]
        await until(lambda: _none_waits(stack), "both were answered")
        sent = await stack.ledger.read(decision_outbox.of_gate, view.trace, "plan-2")
        told = html.unescape((await erik.get(_path(again))).text)
    assert (report.state, git(origin, "rev-parse", "fix/rounding")) == ("done", report.commit)
    assert [(one["gate"], one["channel"]) for one in won] == [(name, "console") for name in ("plan-1", "plan-2", "change-1")]
    assert [one.state for one in sent].count("confirmed") == 1
    assert f"approve by {won[1]['by']}" in told, "who lost the race is told who decided"


def _path(view: GateView) -> str:
    return f"/runs/{view.trace}/gates/{view.gate}"


async def _form(visitor: Visitor, view: GateView) -> dict[str, str]:
    """The hidden fields of the gate's forms, as its page has them."""
    page = (await visitor.get(_path(view))).text
    return {name: re.findall(f'name="{name}" value="([^"]*)"', page)[-1] for name in ("session", "subject")}


async def _send(visitor: Visitor, view: GateView, verb: str, **fields: str):  # type: ignore[no-untyped-def]
    return await visitor.post(_path(view), **(await _form(visitor, view)), verb=verb, **fields)


async def _decided(visitor: Visitor, view: GateView, verb: str, **fields: str) -> None:
    """Send the form, and wait until the page says that it is confirmed."""
    answer = await _send(visitor, view, verb, **fields)
    assert (answer.status_code, answer.headers.get("location")) == (303, _path(view)), answer.text

    async def confirmed() -> bool | None:
        return "<b>confirmed</b>" in (await visitor.get(_path(view))).text or None

    await until(confirmed, f"{verb} at {view.gate} was confirmed")


async def _remarks(stack: Stack, trace: str) -> list[list[tuple[str, str]]]:
    """What the planner was told, and about what, task by task."""
    asked = select(turn.c.task).where(turn.c.trace == trace, turn.c.agent.startswith("planner@")).order_by(turn.c.at)
    tasks = dict.fromkeys(await stack.ledger.read(lambda connection: list(connection.execute(asked).scalars())))
    told = [json.loads(await stack.artifact(task)).get("feedback", []) for task in tasks]
    return [[(one["about"], one["text"]) for one in feedback] for feedback in told]


async def _none_waits(stack: Stack) -> bool | None:
    return not await stack.ledger.read(decision_outbox.waiting) or None
