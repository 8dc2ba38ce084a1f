"""Large messages: above what people need they are refused, by the server or by us, and the run they were meant for goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests import scripts
from tests.depth import soak
from tests.scripts import answer, item, plan, says
from tests.stack import Stack, sample, stack, until
from tests.workflows.sending import Cli, Sdk, failed_tasks, refusal, state_of

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
SIZES = (500_000, 1_900_000, 2_100_000, 5_000_000, 50_000_000)
WIRE_LIMIT = 4 * 1024 * 1024
"""What the server's connection takes. Above it nothing reaches a workflow, and Temporal's clients say so."""


@pytest.fixture(scope="module")
async def running(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One worker for all of them."""
    folder = tmp_path_factory.mktemp("sizes")
    async with stack(client, folder / "state", scripts.save(folder / "script.yaml", PLANNER)) as started:
        yield started


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that is asked for a change."""
    return sample(tmp_path_factory.mktemp("sizes") / "sample")


@pytest.mark.parametrize("channel", [Sdk, Cli])
@pytest.mark.parametrize("size", SIZES)
async def test_a_large_start_fails_with_a_reason(running: Stack, channel: Any, size: int) -> None:
    """Below the wire's limit the run ends as refused, above it the client is told; nothing stays running."""
    asked = {"repository": "r", "instruction": "x" * size, "owner": "olga"}
    workflow, told = await channel(running.client).start("Delivery", [asked], running.settings.task_queue)
    assert told.taken == (size < WIRE_LIMIT)
    if told.taken:
        assert "instruction: String should have at most 20000 characters" in await refusal(running.client, workflow)
        assert await failed_tasks(running.client.get_workflow_handle(workflow)) == []
    else:
        assert f"larger than max {WIRE_LIMIT}" in told.text


@pytest.mark.parametrize("channel", [Sdk, *soak(Cli)])
async def test_large_messages_are_refused_and_the_gate_stays_open(running: Stack, origin: Path, channel: Any) -> None:
    """Signals and updates of every size: told where somebody waits, recorded where they arrived, and a decision still wins."""
    run, sender = await running.deliver(origin), channel(running.client)
    view = await running.gate(run, "plan-1")
    for size in SIZES:
        decision = {"gate": "plan-1", "by": "maria", "note": "x" * size}
        sent, told = await sender.signal(run.id, "approve", [decision]), await sender.update(run.id, "approve", [decision])
        assert (sent.taken, told.taken) == (size < WIRE_LIMIT, False)
        assert ("is larger than 65536 bytes" if size < WIRE_LIMIT else f"larger than max {WIRE_LIMIT}") in told.text
        assert await state_of(run)
    arrived = 2 * sum(size < WIRE_LIMIT for size in SIZES)
    await until(lambda: _recorded(running, run, arrived), f"{arrived} refusals were recorded")
    await running.decide(view, "reject", note="small enough")
    assert (await run.result()).reason == "the plan was rejected by maria: small enough"
    assert await failed_tasks(run) == []


async def test_large_updates_at_once_do_not_end_a_run(running: Stack, origin: Path) -> None:
    """Together they are more than one answer of the worker can carry; the server lets in only as many as fit."""
    run = await running.deliver(origin)
    view = await running.gate(run, "plan-1")
    sender = Sdk(running.client)
    decision = {"gate": "plan-1", "by": "maria", "note": "x" * 1_200_000}
    told = await asyncio.gather(*(sender.update(run.id, "approve", [decision]) for _ in range(6)))
    assert all("is larger than 65536 bytes" in one.text for one in told), told
    await running.decide(view, "reject", note="small enough")
    assert (await run.result()).reason == "the plan was rejected by maria: small enough"
    assert await failed_tasks(run) == []


async def _recorded(running: Stack, run: Any, wanted: int) -> bool | None:
    found = [line for line in await running.feed(run) if "is larger than 65536 bytes" in line.why]
    return True if len(found) == wanted else None
