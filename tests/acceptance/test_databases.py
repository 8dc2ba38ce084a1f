"""Deliveries on each database: the ways they go, at the same time, through a migration and the death of their worker."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

import config
from contracts.delivery.run import DeliveryReport
from ledger import runs
from ledger.db import Ledger
from ledger.migrate import standing, upgrade
from tests import depth, scripts
from tests.faults.looking import asked
from tests.faults.record import record, sound
from tests.ledger.releases import newer_release
from tests.processes import Worker
from tests.scripts import a_tester, answer, edit, item, plan, says, summary, writer
from tests.stack import Stack, git, sample, until

OLD = "    return int(cents * (100 - percent) / 100)\n"
NEW = "    return (cents * (100 - percent) + 50) // 100\n"
WRONG = "    return cents + 1\n"
LINE = "Prices are whole cents.\n"
CHECK = "python -c 'from shop.pricing import discounted; assert discounted(999, 50) in (499, 500)'"
"""In a moment: what is right, rounded either way; `WRONG` is neither."""
FIX = edit("shop/pricing.py", OLD, NEW)

Run = WorkflowHandle[Any, DeliveryReport]


def planner(way: str, *items: dict[str, Any]) -> dict[str, Any]:
    """The planner of one way: its instruction says which."""
    return says("planner", answer(plan(*items)), text=f"go {way}")


def one(way: str) -> dict[str, Any]:
    """The one item of most ways."""
    return planner(way, item(f"{way}-fix", ["shop/pricing.py"]))


HAPPILY = writer("happily-fix", FIX)
SCRIPT = (
    one("happily"),
    one("wrong"),
    writer("wrong-fix", edit("shop/pricing.py", OLD, WRONG)),
    says("writer", edit("shop/pricing.py", WRONG, NEW), answer(summary("mended")), text="Your item is `rework-1`"),
    one("rejected"),
    writer("rejected-fix", FIX),
    planner("apart", item("apart-fix", ["shop/pricing.py"]), item("apart-doc", ["README.md"])),
    says("writer", edit("README.md", LINE, f"{LINE}Half a cent up.\n"), answer(summary()), text="do yours on top of them"),
    writer("apart-fix", FIX),
    writer("apart-doc", edit("shop/pricing.py", OLD, "    return round(cents * (100 - percent) / 100)\n")),
    a_tester(),
)


async def approves(stack: Stack, run: Run) -> None:
    """Somebody who is content."""
    await stack.approve(run, "plan")
    await stack.approve(run, "change")


async def rejects(stack: Stack, run: Run) -> None:
    """Somebody who is not."""
    await stack.approve(run, "plan")
    await stack.decide(await stack.gate(run, "change"), "reject", note="not before the release")


async def settles(stack: Stack, run: Run) -> None:
    """Somebody who has one item done again where two are in conflict."""
    for gate in ("plan", "conflict-1", "conflict-2", "change"):
        await stack.approve(run, gate)


WAYS: dict[str, Callable[[Stack, Run], Awaitable[None]]] = {
    "happily": approves,
    "wrong": approves,
    "rejected": rejects,
    "apart": settles,
}


@pytest.mark.parametrize("kind", ["postgresql", *depth.soak("sqlite")], indirect=True)
async def test_deliveries_of_every_kind_outlive_a_migration_and_their_worker(
    client: Client, tmp_path: Path, empty_url: str
) -> None:
    """Approved, reworked, rejected and in conflict, at the same time, while a model answers and people decide.

    A newer release migrates the ledger beside the running worker, which is killed, and started again on the newer schema. Each
    delivery ends as it would have, with its branch or without; nothing is lost, doubled or held, and nothing of it knows
    which database it is.
    """
    origin = sample(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", *SCRIPT, HAPPILY | {"delay_ms": 600_000})
    settings = config.Settings(
        state=tmp_path / "state",
        task_queue=f"databases-{tmp_path.name}",
        model="scripted:x",
        script=script,
        ledger_url=empty_url,
    )
    ledger = Ledger(empty_url, settings.artifacts)
    upgrade(ledger)
    stack = Stack(client, settings, ledger, None, CHECK)  # type: ignore[arg-type]  # its parts are in the other process
    with Worker(client, settings, tmp_path / "worker.log") as worker, contextlib.closing(ledger):
        started = {way: await stack.deliver(origin, instruction=f"go {way}", branch=way) for way in WAYS}
        people = [asyncio.create_task(decide(stack, started[way])) for way, decide in WAYS.items()]
        await until(lambda: asked(client, f"{started['happily'].id}.write.1.happily-fix"), "a writer was asked")
        await ledger.tx(newer_release, "0001")
        worker.kill()
        scripts.save(script, *SCRIPT, HAPPILY)  # the next worker's model does not think so long
        worker.start()
        await asyncio.gather(*people)
        reports = {way: await run.result() for way, run in started.items()}
        rows = {way: await ledger.read(runs.find, run.id) for way, run in started.items()}
        left = {way: await ledger.read(record, run.id) for way, run in started.items()}
        await ledger.read(sound)
        story = await stack.said(started["wrong"])
        assert standing(ledger).state == "newer"
    states = {"happily": "done", "wrong": "done", "rejected": "could_not", "apart": "done"}
    assert {way: report.state for way, report in reports.items()} == states
    assert {way: row.state for way, row in rows.items()} == states
    assert set(git(origin, "branch", "--format=%(refname:short)").split()) == {"main", "happily", "wrong", "apart"}
    for way in ("happily", "wrong", "apart"):
        assert git(origin, "rev-parse", f"{way}^{{tree}}") == reports[way].tree
        assert git(origin, "rev-list", "--count", f"main..{way}") == "1"
    assert "rework round 1" in story
    assert set(left["happily"].turns.values()) == set(left["apart"].turns.values()) == {1}
